// Who may ask? Tokens of a file that may change, and nobody at all when it cannot be read.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createGuard } from "../../../loadtester/token.ts";
import { silent } from "../adapters/manual-clock.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "token-"));
  file = join(folder, "token");
});
afterEach(() => rm(folder, { recursive: true }));

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;

test("everybody, when no file is named", async () => {
  expect(await createGuard(undefined, silent)(undefined)).toBe("yes");
});

test.each([
  ["Bearer new", "yes"],
  ["bearer  old", "yes"],
  [basic("canary:new"), "yes"],
  [basic(":old"), "yes"],
  [undefined, "no"],
  ["", "no"],
  ["Bearer", "no"],
  ["Bearer ", "no"],
  ["Bearer neW", "no"],
  ["Bearer new2", "no"],
  ["Bearer new old", "no"],
  ["Digest new", "no"],
  ["new", "no"],
  [basic("new"), "no"],
  [basic("new:"), "no"],
  [basic("canary:"), "no"],
])("%s: %s", async (authorization, allowed) => {
  await writeFile(file, "new\n\n  old \n");
  expect(await createGuard(file, silent)(authorization)).toBe(allowed);
});

test("nobody, when the file is empty", async () => {
  await writeFile(file, "\n\n");
  const guard = createGuard(file, silent);
  expect([await guard("Bearer "), await guard("Bearer x"), await guard(basic(":")), await guard(undefined)]).toEqual(["no", "no", "no", "no"]);
});

test("unknown, when the file is not there, and the new token from the moment that it is", async () => {
  const guard = createGuard(file, silent);
  expect(await guard("Bearer new")).toBe("unknown");
  await writeFile(file, "new");
  expect(await guard("Bearer new")).toBe("yes");
  await writeFile(file, "newer");
  expect([await guard("Bearer new"), await guard("Bearer newer")]).toEqual(["no", "yes"]);
});
