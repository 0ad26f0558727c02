import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, TestServer, type Asked } from './support/server.js';

interface TlsRequest {
  readonly socket: TLSSocket;
}

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Accounts {
  @Get('mine')
  mine(@Req() { socket }: TlsRequest): Promise<string> {
    // Without a certificate it is an empty object.
    const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
    return hold.work(`of ${String(subject?.CN ?? 'nobody')}`);
  }

  @Get('public')
  @SingleFlightShare('public')
  public(): Promise<string> {
    return hold.work('public');
  }
}

interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Signed by itself, made by the `openssl` command. */
function makeCertificate(commonName: string): Certificate {
  const directory = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  try {
    const subject = ['-subj', `/CN=${commonName}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...newKey, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.each(PLATFORMS)('A TLS client certificate, on %s', (platform) => {
  let server: TestServer;
  let ca: string;
  let anna: Certificate;
  let bert: Certificate;
  beforeAll(async () => {
    const own = makeCertificate('127.0.0.1');
    ca = own.cert;
    anna = makeCertificate('anna');
    bert = makeCertificate('bert');
    // Anna's is trusted, Bert's is only shown.
    server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Accounts],
      https: { ...own, ca: anna.cert },
    });
  });
  afterAll(closeServers);

  const by = (path: string, certificate?: Certificate): Asked => ({ path, tls: { ca, ...certificate } });

  it('is who asks, so its requests go alone', async () => {
    const burst = await server.burst(...[anna, anna, bert, bert].map((one) => by('/mine', one)));
    expect(burst.runs).toBe(4);
    expect(bodies(burst)).toEqual(['of anna', 'of anna', 'of bert', 'of bert']);
  });

  it('is never merged with having none, and those without are merged', async () => {
    const burst = await server.burst(by('/mine'), by('/mine', anna), by('/mine'));
    expect(burst.runs).toBe(2);
    expect(bodies(burst)).toEqual(['of nobody', 'of anna', 'of nobody']);
  });

  it("says nothing where the route is 'public'", async () => {
    const burst = await server.burst(by('/public', anna), by('/public', bert), by('/public'));
    expect(burst.runs).toBe(1);
  });
});
