// Do gates keep their word: open after a restart, closed when nothing can be read, and never "done" when it could not be written down?
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { loadGates, TooManyGates } from "../../../loadtester/gates.ts";
import { silent } from "../adapters/manual-clock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gates-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a gate is closed until somebody opens it, and only that one is open then", async () => {
  const gates = await loadGates(undefined, silent);
  expect(gates.isOpen("gate", "app", "prod")).toBe(false);
  await gates.set("gate", "app", "prod", true);
  expect([gates.isOpen("gate", "app", "prod"), gates.isOpen("rollback", "app", "prod"), gates.isOpen("gate", "app", "test"), gates.isOpen("gate", "prod", "app")]).toEqual([true, false, false, false]);
  expect([gates.count("gate"), gates.count("rollback")]).toEqual([1, 0]);
  await gates.set("gate", "app", "prod", false);
  expect(gates.isOpen("gate", "app", "prod")).toBe(false);
});

test("what was opened and closed is so after a restart", async () => {
  const before = await loadGates(folder, silent);
  await Promise.all(["a", "b", "c"].map((name) => before.set("gate", name, "prod", true)));
  await before.set("rollback", "a", "prod", true);
  await before.set("gate", "b", "prod", false);
  const after = await loadGates(folder, silent);
  expect(["a", "b", "c"].map((name) => after.isOpen("gate", name, "prod"))).toEqual([true, false, true]);
  expect(after.isOpen("rollback", "a", "prod")).toBe(true);
  expect(await readdir(folder)).toEqual(["gates.json"]);
});

test("a folder that is not there is made", async () => {
  const gates = await loadGates(join(folder, "deep/er"), silent);
  await gates.set("gate", "a", "prod", true);
  expect((await loadGates(join(folder, "deep/er"), silent)).isOpen("gate", "a", "prod")).toBe(true);
});

test.each(["", "{", '{"version":2,"gate":["prod/a"],"rollback":[]}', '{"version":1,"gate":"prod/a","rollback":[]}'])("a file that says %j closes every gate, and is kept for people", async (text) => {
  await writeFile(join(folder, "gates.json"), text);
  const gates = await loadGates(folder, silent);
  expect(gates.count("gate")).toBe(0);
  expect(await readFile(join(folder, "gates.json.unreadable"), "utf8")).toBe(text);
  await gates.set("gate", "b", "prod", true);
  expect((await loadGates(folder, silent)).isOpen("gate", "b", "prod")).toBe(true);
});

test("what cannot be written down has not happened", async () => {
  const gates = await loadGates(folder, silent);
  await gates.set("gate", "a", "prod", true);
  // Rights would not hinder root.
  await rm(folder, { recursive: true });
  await expect(gates.set("gate", "b", "prod", true)).rejects.toThrow();
  await expect(gates.set("gate", "a", "prod", false)).rejects.toThrow();
  expect([gates.isOpen("gate", "a", "prod"), gates.isOpen("gate", "b", "prod")]).toEqual([true, false]);
});

test("a leftover of a write that was cut off changes nothing", async () => {
  const before = await loadGates(folder, silent);
  await before.set("gate", "a", "prod", true);
  await writeFile(join(folder, "gates.json.new"), '{"version":1,"ga');
  const after = await loadGates(folder, silent);
  expect(after.isOpen("gate", "a", "prod")).toBe(true);
  await after.set("gate", "b", "prod", true);
  expect((await loadGates(folder, silent)).count("gate")).toBe(2);
});

test("open gates are bounded, and closing goes on", async () => {
  await writeFile(join(folder, "gates.json"), JSON.stringify({ version: 1, gate: Array.from({ length: 10_000 }, (_, index) => `prod/a${index}`), rollback: [] }));
  const gates = await loadGates(folder, silent);
  await expect(gates.set("gate", "one-more", "prod", true)).rejects.toThrow(TooManyGates);
  await gates.set("gate", "a0", "prod", false);
  await gates.set("gate", "one-more", "prod", true);
  expect(gates.isOpen("gate", "one-more", "prod")).toBe(true);
});
