// A Redis server of the benchmark's own, on loopback, that writes no file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';

export async function startServer() {
  const port = await freePort();
  const files = ['--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--dbfilename', `none-${port}.rdb`];
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(server, 'exit');
  const killIt = () => server.kill('SIGKILL');
  process.once('exit', killIt);
  await new Promise((resolve, reject) => {
    server.once('error', () => reject(new Error('This benchmark needs `redis-server` on the PATH.')));
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}.`)));
    server.stdout.setEncoding('utf8').on('data', (text) => {
      if (text.includes('Ready to accept connections')) resolve();
    });
  });
  return {
    port,
    hang: () => server.kill('SIGSTOP'),
    async kill() {
      killIt();
      await exited;
      process.off('exit', killIt);
    },
  };
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
