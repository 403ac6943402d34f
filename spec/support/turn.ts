/** One turn of the event loop: every promise chain that is ready runs to its next real wait. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
