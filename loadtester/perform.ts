// Which task does a payload ask for, and what is its caller told? Turns metadata into a task and what became of it into an answer; it starts nothing that it
// does not understand, and says neither commands nor headers to anybody, as they may hold secrets.
import { createHash } from "node:crypto";
import type { Clock, Log } from "../engine/ports.ts";
import { isInstalled, runCommand, type CommandEnd } from "./command.ts";
import { heyLoad, isHey } from "./hey.ts";
import { generate, type Answered } from "./load.ts";
import type { Asked } from "./payload.ts";
import { judge, LOAD_FIELDS, planLoad, readTruth, type LoadPlan } from "./plan.ts";
import { createSender } from "./sender.ts";
import type { Answer } from "./server.ts";
import type { Outcome, Task, Tasks, Told } from "./tasks.ts";
import { splitWords } from "./words.ts";

const PROGRAMS = ["helm", "helmv3", "kubectl", "k6"] as const;
export const TYPES = ["cmd", "bash", ...PROGRAMS, "http"] as const;
export type TaskType = (typeof TYPES)[number];

export interface Performing {
  tasks: Tasks;
  clock: Clock;
  log: Log;
  /** All that commands see of the environment. */
  environment: Readonly<Record<string, string>>;
  /** Where commands run; they may write there. */
  directory: string;
  /** Bound of every task. */
  timeoutMs: number;
  ended: (type: TaskType, how: "ok" | "failed" | "interrupted") => void;
  answered: (answer: Answered) => void;
}

type Metadata = Readonly<Record<string, string>>;
type Wanted = { ok: true; wait: boolean; work: (signal: AbortSignal) => Promise<Outcome> } | { ok: false; answer: Answer };

export const SWITCHES = ["wait", "ignoreFailure", "logCmdOutput", "returnCmdOutput"] as const;
type Switches = Partial<Record<(typeof SWITCHES)[number], boolean>>;

export function createPerform(performing: Performing): (asked: Asked, gone: AbortSignal) => Promise<Answer> {
  return async (asked, gone) => {
    const { metadata, name, namespace, run } = asked;
    if (metadata === undefined) return refused("metadata is missing: it says what to do");
    const type = TYPES.find((one) => one === (metadata.type || "cmd"));
    if (type === undefined) return refused(`metadata.type is not known; known are ${TYPES.join(", ")}`);
    const switches = readSwitches(metadata);
    if (typeof switches === "string") return refused(switches);
    const wanted = type === "http" ? wantedHttp(metadata, switches, performing) : await wantedCommand(type, metadata, switches, asked, performing);
    if (!wanted.ok) return wanted.answer;
    const task: Task = { key: keyOf(type, asked), run, wait: wanted.wait, ignoreFailure: switches.ignoreFailure ?? false, work: (signal) => told(type, asked, wanted.work(signal), performing) };
    const answer = answerOf(await performing.tasks.ask(task, gone));
    performing.log.debug({ type, canary: name, namespace, status: answer.status }, "asked for a task");
    return answer;
  };
}

/** A text says what is wrong. */
function readSwitches(metadata: Metadata): Switches | string {
  const switches: Switches = {};
  for (const name of SWITCHES) {
    const text = metadata[name];
    if (text === undefined || text === "") continue;
    const value = readTruth(text);
    if (value === undefined) return `metadata.${name} must be "true" or "false"`;
    switches[name] = value;
  }
  return switches;
}

function wantedHttp(metadata: Metadata, switches: Switches, performing: Performing): Wanted {
  const known: readonly string[] = [...LOAD_FIELDS, ...SWITCHES, "type"];
  const strange = Object.keys(metadata).find((key) => !known.includes(key));
  if (strange !== undefined) return { ok: false, answer: refused(`metadata.${strange.slice(0, 100)} is not known for type http; known are ${LOAD_FIELDS.join(", ")}, wait, ignoreFailure`) };
  const wait = switches.wait ?? false;
  // Whoever waits for the result tests something; whoever does not only wants traffic, which the metrics judge.
  const planned = planLoad(metadata, wait, performing.timeoutMs);
  if (!planned.ok) return { ok: false, answer: refused(`metadata.${planned.why}`) };
  return { ok: true, wait, work: (signal) => load(planned.plan, performing, signal) };
}

async function wantedCommand(type: Exclude<TaskType, "http">, metadata: Metadata, switches: Switches, asked: Asked, performing: Performing): Promise<Wanted> {
  const command = metadata.cmd ?? "";
  const { environment } = performing;
  if (command.trim() === "") return { ok: false, answer: refused(`metadata.cmd is missing: type ${type} needs it`) };
  const wait = type !== "cmd" || (switches.wait ?? false);
  if (type === "cmd" && isHey(command) && !(await isInstalled("hey", environment))) return wantedHey(command, wait, performing);

  let program: string = type === "helmv3" ? "helm" : type;
  let args = ["-c", command];
  if (type === "cmd") program = (await isInstalled("bash", environment)) ? "bash" : "sh";
  else if (type !== "bash") {
    const split = splitWords(command);
    if (!split.ok) return { ok: false, answer: refused(`metadata.cmd: ${split.why}`) };
    args = split.words;
  }
  if (!(await isInstalled(program, environment))) return { ok: false, answer: { status: 501, body: `${program} is not installed here, and type ${type} needs it: use an image that has it` } };
  return { ok: true, wait, work: (signal) => execute(program, args, switches, asked, performing, signal) };
}

function wantedHey(command: string, wait: boolean, performing: Performing): Wanted {
  const read = heyLoad(command);
  const planned = read.ok ? planLoad(read.fields, false, performing.timeoutMs) : read;
  if (!planned.ok) return { ok: false, answer: refused(`hey is not installed here, and its command cannot be taken over by type http: ${planned.why}`) };
  return { ok: true, wait, work: (signal) => load(planned.plan, performing, signal) };
}

async function execute(program: string, args: readonly string[], switches: Switches, { name, namespace }: Asked, performing: Performing, signal: AbortSignal): Promise<Outcome> {
  const { environment, directory, timeoutMs, clock, log } = performing;
  const end = await runCommand({ program, args, directory, environment, timeoutMs, clock, signal });
  if (switches.logCmdOutput === true) log.info({ canary: name, namespace, output: end.output }, "output of a command");
  return { ok: end.how === "exited" && end.code === 0, text: sentence(end), interrupted: end.how === "stopped", ...(switches.returnCmdOutput === true ? { output: end.output } : {}) };
}

/** The exit codes that shells give have names, because the output, which would say the same, is shown to nobody who did not ask. */
function sentence({ how, code, detail }: CommandEnd): string {
  if (how === "exited" && code === 127) return `${detail}: a program that it calls is not installed here`;
  if (how === "exited" && code === 126) return `${detail}: a program that it calls cannot be run`;
  return detail;
}

async function load({ pace, target, isGood, maxFailurePercent }: LoadPlan, { clock, answered }: Performing, signal: AbortSignal): Promise<Outcome> {
  const sender = createSender(target, clock);
  try {
    const send = async (stop: AbortSignal): Promise<Answered> => {
      const answer = await sender.send(stop);
      answered(answer);
      return answer;
    };
    const report = await generate(pace, send, isGood, clock, signal);
    return { ...judge(report, maxFailurePercent), interrupted: report.stopped };
  } finally {
    sender.close();
  }
}

/** Every end is logged, also the one that nobody will ask for. */
async function told(type: TaskType, { name, namespace }: Asked, work: Promise<Outcome>, { log, ended }: Performing): Promise<Outcome> {
  const outcome = await work;
  const how = outcome.interrupted === true ? "interrupted" : outcome.ok ? "ok" : "failed";
  ended(type, how);
  log[how === "failed" ? "warn" : "info"]({ type, canary: name, namespace, how, text: outcome.text }, "a task has ended");
  return outcome;
}

function answerOf(result: Told): Answer {
  switch (result.kind) {
    case "started":
      return { status: 202, body: "started" };
    case "running":
      return { status: 202, body: "running already" };
    case "ended":
      if (result.outcome.interrupted === true) return { status: 503, body: result.outcome.text };
      return { status: result.outcome.ok ? 200 : 500, body: bodyOf(result.outcome) };
    case "failed before":
      // Not a 5xx: a caller that tries those again would meet the round that has just been started, and never know.
      return { status: 424, body: `the last round failed: ${bodyOf(result.outcome)}` };
    case "full":
      return { status: 429, body: "too many tasks run already" };
    case "gone":
      return { status: 499, body: "" };
  }
}

function bodyOf({ ok, text, output }: Outcome): string {
  if (output === undefined) return text;
  return ok ? output : `${text}\n${output}`;
}

function refused(why: string): Answer {
  return { status: 400, body: why };
}

function keyOf(type: TaskType, { name, namespace, metadata }: Asked): string {
  const sorted = Object.entries(metadata ?? {}).sort(([left], [right]) => (left < right ? -1 : 1));
  return createHash("sha256").update(JSON.stringify([type, namespace, name, sorted])).digest("hex");
}
