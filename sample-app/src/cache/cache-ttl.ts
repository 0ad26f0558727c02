export const CACHE_TTL_MS = 60_000;
