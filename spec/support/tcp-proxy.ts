import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Passes everything on between its port and another, until it is told to hold it back. */
export interface TcpProxy {
  readonly port: number;
  /** From now on nothing goes through, and nobody is told. */
  stall(): void;
  /** What was held back goes through. */
  resume(): void;
  close(): Promise<void>;
}

export function openProxy(host: string, port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isStalled = false;
  const server = createServer((near) => {
    const far = connect(port, host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('data', (data) => void to.write(data));
      if (isStalled) from.pause();
    }
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        stall() {
          isStalled = true;
          for (const socket of sockets) socket.pause();
        },
        resume() {
          isStalled = false;
          for (const socket of sockets) socket.resume();
        },
        close() {
          for (const socket of sockets) socket.destroy();
          return new Promise((closed) => server.close(() => closed()));
        },
      }),
    );
  });
}
