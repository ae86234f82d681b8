/** In generated text, U+0000 and lone surrogates become U+FFFD: clients could neither store nor encode them. */
export const replaceUnstorable = (text: string): string =>
  text.replaceAll('\u0000', '\uFFFD').replace(/\p{Surrogate}/gu, '\uFFFD');
