/** What a text is conditioned on: a label, or a vector of the file's numbers. */
export type ContextValue = string | readonly number[];
