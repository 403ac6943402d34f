import sinon from 'sinon';

/** The lines `run` prints. */
export async function printed(run: () => Promise<unknown>): Promise<readonly string[]> {
  const texts: string[] = [];
  const write = sinon.stub(process.stdout, 'write').callsFake((text) => {
    texts.push(String(text));
    return true;
  });
  try {
    await run();
  } finally {
    write.restore();
  }
  return texts
    .join('')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '');
}
