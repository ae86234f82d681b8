import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { CommandError } from './command-error.ts';

const listenOnce = async (host: string, port: number): Promise<number> => {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return taken;
};

/** A port that is free now: `port` itself, or any one for 0. Null if it is in use. */
export const tryPort = async (host: string, port: number): Promise<number | null> => {
  try {
    return await listenOnce(host, port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') return null;
    if (code === 'EACCES')
      throw new CommandError(`Port ${port} needs rights that this user lacks: set PORT to one above 1023.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new CommandError(`HOST ${host} is not an address of this machine.`);
    throw error;
  }
};

/** @throws {CommandError} naming PORT if the port is in use */
export const requirePort = async (host: string, port: number): Promise<number> => {
  const free = await tryPort(host, port);
  if (free !== null) return free;
  throw new CommandError(
    `Port ${port} on ${host} is in use. Set PORT (or --port) to a free one; 0 takes any.`,
  );
};

/** The address at which this machine reaches a server that listens on `host`. */
export const urlOf = (host: string, port: number): string => {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
};
