/** What an agent says about a finished tool call: nested, mixed, 350 bytes as JSON. */
export const PAYLOAD_350 = {
  tool: 'websearch',
  ok: true,
  tookMs: 41.5,
  input: { query: 'how does group commit work', limit: 10, filters: ['docs', 'code'] },
  results: [
    { title: 'Group commit', url: 'https://example.com/a', score: 0.93 },
    { title: 'Write-ahead logging', url: 'https://example.com/b', score: 0.81 },
  ],
  usage: { promptTokens: 812, completionTokens: 164, cached: false },
};

const bytes = Buffer.byteLength(JSON.stringify(PAYLOAD_350));
if (bytes !== 350) throw new Error(`the payload of the benchmarks has ${bytes} bytes, not 350`);
