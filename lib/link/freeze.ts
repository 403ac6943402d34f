/** Freezes plain data, so that nobody it is handed to changes it for the others. */
export function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) if (typeof member === 'object') freezeDeep(member);
  return Object.freeze(value);
}
