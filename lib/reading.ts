import type { Core } from './core.ts';
export const createReading = (_core: Core): object => ({});
