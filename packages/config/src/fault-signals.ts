/**
 * Signals by which the system reports a fault in a process's own machine code. None may have a handler: Node runs handlers later, on its
 * main thread, while the thread at fault goes back to the instruction that it cannot execute, for ever. Left alone, they end the process, and
 * its supervisor and its queue do the rest.
 */
export const faultSignals = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const;
