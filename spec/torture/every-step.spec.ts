// Read while the specs are loaded.
process.env['TELLTALE_EVERY_STEP'] = 'true';

await import('../copy/crashed-copy.spec.ts');
await import('../json-file/join.spec.ts');
await import('../retention/crash.spec.ts');
