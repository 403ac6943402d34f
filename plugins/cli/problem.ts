/** Something the user can put right: told in one line, with exit code 2, without a stack. */
export class Problem extends Error {
  override readonly name = 'Problem';
}
