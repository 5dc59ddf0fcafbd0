// `npm run sim`: lives one seed after the other until the time is up, or with --self-test until every known bug was noticed. Ends with 1 when something is wrong.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { BUGS } from "./bugs.ts";
import { live, type Told } from "./life.ts";

/** A bug that so many lives do not show survives. */
const LIVES_MAX = 200;

interface Options {
  seed?: string;
  minutes: string;
  lives?: string;
  corpus?: string;
  selfTest?: boolean;
  bug?: string;
  verbose?: boolean;
}

const { out, err } = { out: (line: string) => process.stdout.write(`${line}\n`), err: (line: string) => process.stderr.write(`${line}\n`) };

function whole(name: string, text: string, least = 0): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${text}: a whole number of ${least} or more is needed`);
  return value;
}

/** Seeds that once found something, one a line, each with what it found. */
function corpusOf(file: string): number[] {
  const lines = readFileSync(file, "utf8").split("\n").map((line) => line.replace(/#.*/, "").trim());
  return lines.filter((line) => line !== "").map((line) => whole("corpus", line));
}

function tell(told: Told, verbose: boolean): void {
  out(`seed ${told.seed}: ${told.wrong.join("; ")}`);
  out(`  again: npm run sim -- --seed ${told.seed} --lives 1 --verbose`);
  if (!verbose) return;
  out(`  plan: ${JSON.stringify(told.plan)}`);
  for (const act of told.acts) out(`  ${act}`);
  out(`  ${told.trace.join(" | ")}`);
  for (const line of told.logged.slice(-300)) out(`  ${line}`);
}

/** @returns the number of seeds that went wrong */
async function lives(seeds: Iterable<number>, untilMs: number, verbose: boolean): Promise<number> {
  const startMs = Date.now();
  const sum = { lives: 0, rollouts: 0, requests: 0, simulatedMs: 0, wrong: 0 };
  const ends = new Map<string, number>();
  for (const seed of seeds) {
    if (Date.now() >= untilMs) break;
    const told = await live(seed);
    sum.lives += 1;
    sum.rollouts += told.rollouts;
    sum.requests += told.requests;
    sum.simulatedMs += told.simulatedMs;
    for (const [outcome, count] of told.outcomes) ends.set(outcome, (ends.get(outcome) ?? 0) + count);
    if (told.wrong.length === 0) continue;
    sum.wrong += 1;
    tell(told, verbose);
  }
  const minutes = (Date.now() - startMs) / 60_000;
  out(`${sum.lives} lives, ${(sum.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${sum.requests} requests of users, ${sum.rollouts} rollouts (${[...ends].map(([outcome, count]) => `${outcome} ${count}`).join(", ")}): ${Math.round(sum.rollouts / minutes)} rollouts a minute; ${sum.wrong} lives went wrong`);
  return sum.wrong;
}

/** @returns the number of bugs that nobody noticed */
async function selfTest(first: number, only: string | undefined): Promise<number> {
  let survivors = 0;
  for (const [name, bug] of Object.entries(BUGS)) {
    if (only !== undefined && only !== name) continue;
    const found = await noticed(first, bug);
    if (found === undefined) survivors += 1;
    out(found === undefined ? `SURVIVED ${name}: ${bug.about}; not noticed in ${LIVES_MAX} lives` : `noticed  ${name}: in life ${found.lives} (seed ${found.told.seed}), ${(found.told.wrong[0] ?? "").slice(0, 200)}`);
  }
  out(`${Object.keys(BUGS).length} bugs planted, ${survivors} survived`);
  return survivors;
}

async function noticed(first: number, bug: (typeof BUGS)[string]): Promise<{ lives: number; told: Told } | undefined> {
  for (let count = 0; count < LIVES_MAX; count += 1) {
    const told = await live(first + count, bug);
    if (told.wrong.length > 0) return { lives: count + 1, told };
  }
  return undefined;
}

function* from(first: number, count: number): Iterable<number> {
  for (let index = 0; index < count; index += 1) yield first + index;
}

async function run(options: Options): Promise<number> {
  const first = options.seed === undefined ? Date.now() % 1_000_000_000 : whole("seed", options.seed);
  if (options.selfTest === true) return selfTest(options.seed === undefined ? 1 : first, options.bug);
  if (options.corpus !== undefined) return lives(corpusOf(options.corpus), Number.POSITIVE_INFINITY, options.verbose === true);
  out(`first seed ${first}`);
  const count = options.lives === undefined ? Number.MAX_SAFE_INTEGER : whole("lives", options.lives, 1);
  const minutes = options.lives === undefined ? Number(options.minutes) : Number.POSITIVE_INFINITY;
  if (!(minutes > 0)) throw new Error(`--minutes ${options.minutes}: a number above 0 is needed`);
  return lives(from(first, count), Date.now() + minutes * 60_000, options.verbose === true);
}

const program = new Command("sim")
  .option("--seed <n>", "the first seed; the time of day when absent, and printed")
  .option("--minutes <m>", "how long new lives are begun", "1")
  .option("--lives <n>", "so many lives, in place of a time")
  .option("--corpus <file>", "the seeds of this file, in place of a row of them")
  .option("--self-test", "plants known bugs and fails when one is not noticed")
  .option("--bug <name>", "with --self-test: this bug alone")
  .option("--verbose", "with each life that goes wrong: its plan, what was done, and the end of the log")
  .action(async (options: Options) => {
    try {
      process.exitCode = (await run(options)) > 0 ? 1 : 0;
    } catch (error) {
      err(error instanceof Error ? error.message : String(error));
      process.exitCode = 2;
    }
  });
await program.parseAsync();
