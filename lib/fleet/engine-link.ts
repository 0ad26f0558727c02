import type { Fence, FlightEngine, FlightSink } from './engine.js';

/** What a flight of this process is told about its id. */
export interface Told {
  settledElsewhere(fence: Fence, payload: Uint8Array | undefined): void;
  abandonedElsewhere(fence: Fence): void;
  forgottenElsewhere(fence: Fence): void;
  /** Pushes may be missing. */
  resync(): void;
}

const links = new WeakMap<FlightEngine, EngineLink>();

/** This process's one connection to an engine, however many fleets use it: starts it once, and hands on what it tells. */
export class EngineLink implements FlightSink {
  /** Whether the engine has started. Written by {@link start}. */
  started = false;
  private starting: Promise<void> | undefined = undefined;
  /** Whether that was ever tried: what it has opened for it is there even when it failed. Written by {@link start}. */
  private tried = false;
  /** How many fleets use it. Written by {@link of} and {@link release}. */
  private users = 0;
  private readonly flights = new Map<string, Set<Told>>();
  /** Who hears that the engine is there again. */
  private readonly listeners = new Set<() => void>();

  /** The link to an engine, which has to be {@link release}d. */
  static of(engine: FlightEngine): EngineLink {
    let link = links.get(engine);
    if (link === undefined) links.set(engine, (link = new EngineLink(engine)));
    link.users++;
    return link;
  }

  private constructor(private readonly engine: FlightEngine) {}

  /** Starts the engine, unless it has started; who comes meanwhile waits for the same. */
  start(): Promise<void> {
    this.tried = true;
    this.starting ??= this.startEngine();
    return this.starting;
  }

  /** A fleet needs it no more; the last one stops the engine. */
  async release(): Promise<void> {
    if (--this.users > 0) return;
    links.delete(this.engine);
    if (this.tried) await this.engine.stop();
  }

  onResync(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  add(id: string, flight: Told): void {
    const known = this.flights.get(id);
    if (known === undefined) this.flights.set(id, new Set([flight]));
    else known.add(flight);
  }

  delete(id: string, flight: Told): void {
    const known = this.flights.get(id);
    if (known?.delete(flight) === true && known.size === 0) this.flights.delete(id);
  }

  /** The flights of this process with that id. */
  with(id: string): readonly Told[] {
    return [...(this.flights.get(id) ?? [])];
  }

  settled(id: string, fence: Fence, payload?: Uint8Array): void {
    for (const flight of this.with(id)) flight.settledElsewhere(fence, payload);
  }

  abandoned(id: string, fence: Fence): void {
    for (const flight of this.with(id)) flight.abandonedElsewhere(fence);
  }

  forgotten(id: string, fence: Fence): void {
    for (const flight of this.with(id)) flight.forgottenElsewhere(fence);
  }

  resync(): void {
    for (const listener of this.listeners) listener();
    for (const flights of [...this.flights.values()]) for (const flight of [...flights]) flight.resync();
  }

  private async startEngine(): Promise<void> {
    try {
      await this.engine.start(this);
      this.started = true;
    } catch (error) {
      // The next one tries again.
      this.starting = undefined;
      throw error;
    }
  }
}
