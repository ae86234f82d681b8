const beyondAscii = /[\u0080-\u{10FFFF}]/u;

/**
 * Lower case by code point, whatever stands beside it, so that a text gives the same result however it is cut into
 * chunks. (JavaScript's own `toLowerCase` looks at the neighbours of a sigma.)
 */
export const lowerCase = (text: string): string => {
  if (!beyondAscii.test(text)) return text.toLowerCase();
  let folded = '';
  for (const character of text) folded += character.toLowerCase();
  return folded;
};
