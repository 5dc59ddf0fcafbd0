// Does a pipe get all that the program prints, also where its reader is slow?
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { GROUPS } from "../../../crds/canary.ts";
import { renderYaml } from "../../../crds/generate.ts";

const root = new URL("../../../", import.meta.url).pathname;
let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kurator-rollout-"));
  program = join(folder, "kurator-rollout.mjs");
  execFileSync(process.execPath, ["scripts/build.mjs", program], { cwd: root });
});

afterAll(() => rmSync(folder, { recursive: true }));

test("the CRDs are more than a pipe holds, and all of them arrive", () => {
  const printed = execFileSync("sh", ["-c", '"$0" "$1" crds --api-groups rollout.kurator.dev,flagger.app | (sleep 1; cat)', process.execPath, program], { encoding: "utf8" });
  expect(printed).toBe(renderYaml(Object.values(GROUPS).map(({ group }) => group)));
});
