import type { Network } from '../model/network.ts';
import { drawRemaining } from './remaining-length.ts';
import type { Session } from './session.ts';

/** What decides where a sequence ends, other than a token. Log-probabilities are in nats. */
export interface Ending {
  /** Reads a token into the session. @param ahead tokens of the prompt that are still to come */
  read(token: number, ahead: number): Promise<void>;
  /** Asked before a token is drawn: whether the sequence has ended. */
  before(): Promise<{ ends: boolean; log_probability: number }>;
  /** Asked once a token was drawn: whether it is the last one. */
  after(): Promise<{ ends: boolean; log_probability: number }>;
}

const goesOn = { ends: false, log_probability: 0 };

const tokenEnding = (session: Session): Ending => ({
  read: async (token) => session.step(token),
  before: async () => goesOn,
  after: async () => goesOn,
});

/** log σ(x). */
export const logSigmoid = (x: number): number => Math.min(0, x) - Math.log1p(Math.exp(-Math.abs(x)));

/** A coin before each token. */
const bernoulliEnding = (session: Session, uniform: () => number, temperature: number): Ending => ({
  read: async (token) => session.step(token),
  async before() {
    const [x] = await session.endings();
    const draw = uniform();
    const q = 1 / (1 + Math.exp(-x!));
    const ends = temperature === 0 ? q > 0.5 : draw < q;
    return { ends, log_probability: logSigmoid(ends ? x! : -x!) };
  },
  after: async () => goesOn,
});

/** The remaining length, drawn at each step, or once and then counted down. */
const countdownEnding = (
  session: Session,
  { max_length, renew }: Network['model'],
  uniform: () => number,
  temperature: number,
): Ending => {
  let remaining: number | null = null;
  /** Tokens whose remaining length was decided. */
  let time = 0;
  let logProbability = 0;
  const draw = async (atLeast: number): Promise<void> => {
    // A prompt is not cut short by its own length, and no sequence grows beyond the longest, however often the rest is drawn anew.
    const range = { atLeast, atMost: Math.max(atLeast, max_length! - time) };
    const drawn = drawRemaining(await session.endings(), range, temperature, uniform());
    remaining = drawn.remaining;
    logProbability = drawn.log_probability;
  };
  return {
    async read(token, ahead) {
      session.step(token, remaining === null ? null : remaining / max_length!);
      // The draw after the last token belongs to the token that comes next.
      if (ahead > 0) await advance(ahead);
    },
    before: async () => goesOn,
    async after() {
      await advance(0);
      return { ends: remaining === 0, log_probability: logProbability };
    },
  };

  async function advance(ahead: number): Promise<void> {
    time++;
    if (renew || remaining === null) return draw(Math.min(ahead, max_length!));
    remaining = Math.max(ahead, remaining - 1);
    logProbability = 0;
  }
};

/** @param uniform draws in the order in which decisions are made */
export const endingOf = (
  { model }: Network,
  session: Session,
  uniform: () => number,
  temperature: number,
): Ending => {
  switch (model.length) {
    case 'eos':
      return tokenEnding(session);
    case 'bernoulli':
      return bernoulliEnding(session, uniform, temperature);
    case 'countdown':
      return countdownEnding(session, model, uniform, temperature);
  }
};
