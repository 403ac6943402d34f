import { expect } from 'chai';
import fc from 'fast-check';
import type { StoredEvent } from '../../lib/event/event.ts';
import { renderTree } from '../../lib/correlation/render-tree.ts';
import { widthOf } from '../../lib/correlation/terminal-text.ts';
import type { TreeNode } from '../../lib/correlation/tree.ts';
import { buildStored } from '../support/event-builder.ts';

const START = Date.UTC(2026, 0, 1);

function node(
  type: string,
  ms: number,
  children: readonly TreeNode[] = [],
  more: Partial<StoredEvent> & Partial<TreeNode> = {},
): TreeNode {
  const { missingCause, cyclic, outerCause, event: _event, children: _children, ...fields } = more;
  return {
    event: buildStored(1, { source: 'planner', ...fields, type, time: START + ms }),
    children,
    ...(missingCause !== undefined && { missingCause }),
    ...(outerCause !== undefined && { outerCause }),
    ...(cyclic !== undefined && { cyclic }),
  };
}

const lines = (text: string): readonly string[] => text.split('\n').map((line) => line.trimEnd());

describe('renderTree', () => {
  it('draws types under their causes with source and time, and failures with their message', () => {
    const roots = [
      node('file.found', 0, [
        node('file.read', 12, [
          node('file.failed', 1_340, [], { source: 'reader-2', payload: { error: { message: 'no such\nfile' } } }),
        ]),
        node('file.listed', 14),
      ]),
    ];
    expect(lines(renderTree(roots, { width: 60 }))).to.deep.equal([
      'file.found           planner                           +0 ms',
      '├─ file.read         planner                          +12 ms',
      '│  └─ ✗ file.failed  reader-2                         +1.3 s',
      '│       no such file',
      '└─ file.listed       planner                          +14 ms',
    ]);
  });

  it('says where causes are missing, elsewhere, or go round', () => {
    const text = renderTree([
      node('a', 0, [], { missingCause: 'gone' }),
      node('b', 0, [], { outerCause: 'far' }),
      node('c', 0, [], { cyclic: true }),
    ]);
    expect(
      lines(text)
        .filter((line) => /^[abc] /.test(line))
        .map((line) => line[0]),
    ).to.deep.equal(['a', 'b', 'c']);
    expect(text).to.include('its cause gone is missing');
    expect(text).to.include('its cause far lies elsewhere');
    expect(text).to.include('it and its causes name each other');
  });

  it('counts what it does not show, and how much of it failed', () => {
    const children = Array.from({ length: 10 }, (_, index) => node(index % 2 ? 'step.failed' : 'step.done', index));
    expect(lines(renderTree([node('a', 0, children)], { maxEvents: 4 })).at(-1)).to.equal(
      '… 7 more events, 4 of them failed',
    );
    expect(lines(renderTree([node('a', 0, children)], { maxEvents: 11 }))).to.have.length(11);
  });

  it('paints only where it is given a painter, and only failures and asides', () => {
    const roots = [node('a.failed', 0, [], { payload: 'broken' })];
    const painted = renderTree(roots, { paint: (style, text) => `<${style}>${text}</>` });
    expect(painted).to.match(/^<failure>✗ a\.failed<\/> {2}<aside>planner .*<\/>\n {2}<failure>broken<\/>$/);
    expect(painted.replaceAll(/<[^>]*>/g, '')).to.equal(renderTree(roots));
  });

  it('lets no escape sequence through and keeps to its width, whatever the text', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\u001b[31m', '\n', '漢', '😀', '\u202e', ' ', '\ud800'),
      maxLength: 200,
      size: 'max',
    });
    fc.assert(
      fc.property(text, text, fc.integer({ min: 40, max: 120 }), (source, payload, width) => {
        const drawn = renderTree([node('a', 0, [node('b.failed', 5, [], { source, payload })])], { width });
        // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
        expect(drawn).not.to.match(/[\u0000-\u0009\u000b-\u001f\u202e\ud800]/);
        for (const line of drawn.split('\n')) expect(widthOf(line)).to.be.at.most(width);
      }),
      { numRuns: 300 },
    );
  });

  it('gives wide characters two columns', () => {
    expect([widthOf('漢字'), widthOf('😀'), widthOf('a│é')]).to.deep.equal([4, 2, 3]);
  });

  it('draws a chain of 100,000 events without recursion and within its width', () => {
    let chain = node('step.done', 100_000);
    for (let ms = 99_999; ms > 0; ms--) chain = { event: { ...chain.event, time: START + ms }, children: [chain] };
    const drawn = lines(renderTree([chain], { maxEvents: 1_000 }));
    expect(drawn).to.have.length(1_001);
    expect(drawn.at(-1)).to.equal('… 99000 more events');
    expect(Math.max(...drawn.map(widthOf))).to.be.at.most(80);
    expect(drawn[999]).to.include('999 › step.done');
  });
});
