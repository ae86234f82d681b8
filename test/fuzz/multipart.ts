import fc from 'fast-check';

interface Part {
  headers: string[];
  content: string;
}

const boundary = 'unfoldfuzz';
const records = '{"input":"Rossi","label":"Italian"}\n{"input":"Bauer","label":"German"}\n'.repeat(6);

const filePart = fc
  .record({
    field: fc.oneof(
      { weight: 8, arbitrary: fc.constant('file') },
      { weight: 1, arbitrary: fc.constantFrom('other', '__proto__', '', 'file[]') },
    ),
    name: fc.constantFrom('a.txt', '../../x', 'ü\u202e.txt', '"', 'x'.repeat(400), '\u0000', 'a\\b', '%00'),
    content: fc.oneof(
      fc.constantFrom('the cat sat on the mat. '.repeat(60), records, '1,2\n3,4\n'.repeat(30), ''),
      fc.string({ unit: 'binary', maxLength: 200 }),
    ),
  })
  .map(
    ({ field, name, content }): Part => ({
      headers: [
        `Content-Disposition: form-data; name="${field}"; filename="${name}"`,
        'Content-Type: application/octet-stream',
      ],
      content,
    }),
  );

const purposePart = fc
  .oneof(
    { weight: 8, arbitrary: fc.constantFrom('fine-tune', 'training', 'validation', 'user_data') },
    { weight: 2, arbitrary: fc.constantFrom('', 'nothing', '__proto__', 'x'.repeat(5000), '\u0000') },
  )
  .map((content): Part => ({ headers: ['Content-Disposition: form-data; name="purpose"'], content }));

const oddPart = fc.constantFrom<Part>(
  { headers: ['Content-Disposition: form-data; name="__proto__"'], content: '1' },
  { headers: ['Content-Disposition: form-data; name="expires_after[anchor]"'], content: 'created_at' },
  { headers: ['Content-Disposition: form-data; name="expires_after[seconds]"'], content: '3600' },
  { headers: ['Content-Disposition: form-data; name="expires_after[seconds]"'], content: '1e999' },
  { headers: ['Content-Disposition: attachment'], content: 'x' },
  { headers: [], content: 'x' },
  { headers: [`X-Long: ${'x'.repeat(20_000)}`], content: 'x' },
);

const encode = (parts: readonly Part[], end: string): Buffer =>
  Buffer.from(
    parts
      .map(({ headers, content }) => `--${boundary}\r\n${[...headers, '', content].join('\r\n')}\r\n`)
      .join('') + end,
    'utf8',
  );

/** Uploads: complete ones, and ones with too many, too few, odd or torn parts. */
export const multipartBody: fc.Arbitrary<{ body: Buffer; headers: string[] }> = fc
  .record({
    parts: fc.oneof(
      { weight: 6, arbitrary: fc.tuple(purposePart, filePart).map((pair): Part[] => pair) },
      { weight: 2, arbitrary: fc.tuple(filePart, purposePart).map((pair): Part[] => pair) },
      { weight: 3, arbitrary: fc.array(fc.oneof(filePart, purposePart, oddPart), { maxLength: 7 }) },
    ),
    end: fc.oneof(
      { weight: 8, arbitrary: fc.constant(`--${boundary}--\r\n`) },
      { weight: 1, arbitrary: fc.constantFrom('', `--${boundary}`, '--other--\r\n') },
    ),
  })
  .map(({ parts, end }) => ({
    body: encode(parts, end),
    headers: ['content-type', `multipart/form-data; boundary=${boundary}`],
  }));
