import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends bytes as they are, as a client that sends again after it has reconnected, and gives what the server answers. */
export async function sendRaw(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write(bytes);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString('latin1');
  } finally {
    socket.destroy();
  }
}
