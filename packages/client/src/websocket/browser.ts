const { WebSocket } = globalThis;

export { WebSocket };

/** Ends a connection; a page cannot do so without a goodbye, but need not wait for its answer. */
export const abandon = (socket: WebSocket): void => socket.close();
