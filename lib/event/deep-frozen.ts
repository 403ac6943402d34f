/**
 * Freezes plain data, so that nobody it is handed to changes it for the others. What is frozen already is taken to be
 * so all the way down; depth is bounded by admission.
 */
export function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) if (typeof member === 'object') deepFrozen(member);
  return value;
}
