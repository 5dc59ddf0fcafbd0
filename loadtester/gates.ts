// Which gates and rollbacks are open? Remembered in one small file when there is a directory for it, so that a restart closes nothing that a person opened.
// What cannot be written down is not said to be done, and what cannot be read counts as closed.
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Log } from "../engine/ports.ts";

/** Kept apart, because a canary may be called rollback.something. */
export const KINDS = ["gate", "rollback"] as const;
export type GateKind = (typeof KINDS)[number];

export interface Gates {
  isOpen(kind: GateKind, name: string, namespace: string): boolean;
  /** Rejects when it could not be written down; then nothing has changed. */
  set(kind: GateKind, name: string, namespace: string, open: boolean): Promise<void>;
  count(kind: GateKind): number;
}

export class TooManyGates extends Error {}

const GATES_MAX = 10_000;
const FILE = "gates.json";
const contents = z.strictObject({ version: z.literal(1), gate: z.array(z.string()), rollback: z.array(z.string()) });

type Sets = Record<GateKind, ReadonlySet<string>>;

/** @param directory where the file is; in memory alone when absent */
export async function loadGates(directory: string | undefined, log: Log): Promise<Gates> {
  let sets: Sets = directory === undefined ? { gate: new Set(), rollback: new Set() } : await read(directory, log);
  let last: Promise<void> = Promise.resolve();

  async function change(kind: GateKind, key: string, wanted: boolean): Promise<void> {
    if (sets[kind].has(key) === wanted) return;
    if (wanted && sets[kind].size >= GATES_MAX) throw new TooManyGates(`${GATES_MAX} are open already`);
    const changed = new Set(sets[kind]);
    if (wanted) changed.add(key);
    else changed.delete(key);
    const next = { ...sets, [kind]: changed };
    if (directory !== undefined) await write(directory, next);
    sets = next;
  }

  return {
    isOpen: (kind, name, namespace) => sets[kind].has(keyOf(name, namespace)),
    set(kind, name, namespace, wanted) {
      // One after the other: two writers would each leave out what the other one wrote.
      const done = last.then(() => change(kind, keyOf(name, namespace), wanted));
      last = done.catch(() => undefined);
      return done;
    },
    count: (kind) => sets[kind].size,
  };
}

/** No name of either has a slash. */
function keyOf(name: string, namespace: string): string {
  return `${namespace}/${name}`;
}

async function read(directory: string, log: Log): Promise<Sets> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return { gate: new Set(), rollback: new Set() };
  try {
    const { gate, rollback } = contents.parse(JSON.parse(text));
    return { gate: new Set(gate), rollback: new Set(rollback) };
  } catch {
    await rename(path, `${path}.unreadable`);
    log.warn({ kept: `${FILE}.unreadable` }, "the gates' file cannot be understood; every gate is closed");
    return { gate: new Set(), rollback: new Set() };
  }
}

/** Whole or not at all, also when the machine stops in between. */
async function write(directory: string, sets: Sets): Promise<void> {
  const path = join(directory, FILE);
  const beside = `${path}.new`;
  try {
    const file = await open(beside, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, gate: [...sets.gate].sort(), rollback: [...sets.rollback].sort() })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
  // The change is made; some file systems cannot do more than that.
  const folder = await open(directory, "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
