import { WebSocket } from 'ws';

export { WebSocket };

/** Ends a connection without waiting for the peer, which may be gone. */
export const abandon = (socket: WebSocket): void => socket.terminate();
