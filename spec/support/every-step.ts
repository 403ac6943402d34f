/** In the quick run every so many of the steps at which a thing may die are tried; in torture all of them. */
export const everyStep = (quick: number): number => (process.env['TELLTALE_EVERY_STEP'] === undefined ? quick : 1);
