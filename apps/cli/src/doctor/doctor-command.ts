import { ConfigError } from '@unfold/config';
import { configFor } from '../options/config-for.ts';
import { checks, configurationProblem, type Finding } from './checks.ts';

export interface DoctorOptions {
  dataDir?: string;
  json?: boolean;
}

const marks = { good: '✓', note: '!', problem: '✗' };
const nameWidth = 18;

const draw = ({ check, status, detail, remedy }: Finding): string => {
  const indent = ' '.repeat(nameWidth + 2);
  const lines = [...detail.split('\n'), ...(remedy === null ? [] : [`→ ${remedy}`])];
  return `${marks[status]} ${check.padEnd(nameWidth)}${lines.join(`\n${indent}`)}`;
};

const count = (findings: readonly Finding[], status: Finding['status'], name: string): string => {
  const found = findings.filter((finding) => finding.status === status).length;
  return `${found} ${name}${found === 1 ? '' : 's'}`;
};

/** `unfold doctor`: looks at the machine and says what to do. Ends with 1 if something cannot work. */
export const doctor = async ({ json = false, ...place }: DoctorOptions): Promise<void> => {
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (!json) console.log(draw(finding));
  };
  try {
    const config = configFor(place);
    // One after the other, so that each is told as soon as it is known.
    for (const check of checks) tell(await check(config));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tell(configurationProblem(error));
  }
  if (json) console.log(JSON.stringify({ findings }, null, 2));
  else console.log(`\n${count(findings, 'problem', 'problem')}, ${count(findings, 'note', 'note')}.`);
  if (findings.some(({ status }) => status === 'problem')) process.exitCode = 1;
};
