/** Bytes that are no text of their own, as byte-level models name them. */
const byteName = /^<0x([0-9A-F]{2})>$/;

const decode = (bytes: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(bytes));

/**
 * Tokens as they are shown in a text, in their places: what begins a sequence is nothing, and of the bytes of one character the first one is
 * the character, the others nothing.
 */
export const tokenTexts = (tokens: readonly string[], level: 'char' | 'word' | 'byte'): string[] => {
  const texts = tokens.map((token, at) => (at === 0 && token === '<s>' ? '' : token));
  if (level !== 'byte') return texts;
  for (let at = 0; at < texts.length; at++) {
    const bytes: number[] = [];
    for (let next = at; next < texts.length; next++) {
      const named = byteName.exec(texts[next]!);
      if (named === null || (bytes.length > 0 && Number.parseInt(named[1]!, 16) >= 0xc0)) break;
      bytes.push(Number.parseInt(named[1]!, 16));
    }
    if (bytes.length === 0) continue;
    texts.fill('', at, at + bytes.length);
    texts[at] = decode(bytes);
    at += bytes.length - 1;
  }
  return texts;
};

/** White space as it can be seen. */
export const visible = (text: string): string =>
  text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replace(/^ | $/g, '␣') || '∅';
