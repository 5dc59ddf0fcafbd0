// Do the documents say what the code does? Reasons, codes, packages, flags, values, links and manifests are compared.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse, parseAllDocuments } from "yaml";
import { EXIT } from "../../../cli/verdict.ts";
import { parseApplicationSpec } from "../../../crds/application.ts";
import { parseCanary } from "../../../crds/canary.ts";
import { STALLED_REASONS } from "../../../crds/problem.ts";
import { FLEET_REASONS } from "../../../fleet/problem.ts";
import { SWITCHES, TYPES } from "../../../loadtester/perform.ts";
import { LOAD_FIELDS } from "../../../loadtester/plan.ts";

const root = new URL("../../../", import.meta.url).pathname;
const PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`)];
const page = (file: string): string => readFileSync(join(root, file), "utf8");

function headings(text: string, level: number): string[] {
  const outside = text.replace(/```[\s\S]*?```/g, "");
  return [...outside.matchAll(new RegExp(`^#{${level}} (.+)$`, "gm"))].map(([, title = ""]) => title.trim());
}

function anchors(file: string): string[] {
  return [1, 2, 3, 4].flatMap((level) => headings(page(file), level)).map((title) => title.toLowerCase().replace(/[`,.:()/]/g, "").replace(/[^\w\s-]/g, "").trim().replace(/\s+/g, "-"));
}

test("the runbook has one entry for each Stalled reason", () => {
  const entries = headings(page("docs/operations.md").split("## Runbook")[1] ?? "", 3);
  expect([...entries].sort()).toEqual([...STALLED_REASONS].sort());
});

test("each reason of an Application has an entry, and no other", () => {
  const reasons = firstCells(section("docs/fleet.md", "When something is wrong"));
  expect([...reasons].sort()).toEqual([...FLEET_REASONS].sort());
});

test("every Application in a document is accepted", () => {
  const manifests = PAGES.flatMap((file) => [...page(file).matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, yaml = ""]) => parseAllDocuments(yaml).map((document) => document.toJS() as { kind?: string; spec?: unknown } | null)));
  const applications = manifests.filter((one) => one?.kind === "Application");
  expect(applications.length).toBeGreaterThan(0);
  for (const { spec } of applications.filter((one) => one !== null)) expect(parseApplicationSpec(spec)).toMatchObject({ ok: true });
});

test("the exit codes are the program's", () => {
  const codes = [...page("docs/ci.md").matchAll(/^\| (\d) \|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT).sort());
});

test("every package is explained, and no other", () => {
  const { dependencies, devDependencies } = JSON.parse(page("package.json")) as { dependencies: object; devDependencies: object };
  const explained = headings(page("docs/dependencies.md"), 3).flatMap((title) => title.split(", "));
  expect([...explained].sort()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].sort());
});

describe.each(PAGES)("%s", (file) => {
  test("has no dead link", () => {
    const links = [...page(file).replace(/```[\s\S]*?```/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link).filter((link) => !/^https?:/.test(link));
    const dead = links.filter((link) => {
      const [path = "", anchor] = link.split("#");
      const to = path === "" ? file : normalize(join(dirname(file), path));
      return !existsSync(join(root, to)) || (anchor !== undefined && !anchors(to).includes(anchor));
    });
    expect(dead).toEqual([]);
  });

  test("has only flags that the program knows", () => {
    const known = page("engine/main.ts");
    const commands = [...page(file).matchAll(/kurator-rollout (?:controller|wait|crds|demo|sandbox|loadtester|fleet)[^\n`]*|npm run demo --[^\n`]*/g)].map(([command]) => command);
    const flags = commands.flatMap((command) => [...command.matchAll(/--([a-z][a-z-]+)/g)].map(([, flag = ""]) => flag)).filter((flag) => !["server-side", "force-conflicts", "help"].includes(flag));
    expect(flags.filter((flag) => !known.includes(`--${flag}`))).toEqual([]);
  });

  test("has only Canaries that are accepted", () => {
    const manifests = [...page(file).matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, yaml = ""]) => parseAllDocuments(yaml).map((document) => document.toJS() as { kind?: string } | null));
    for (const manifest of manifests.filter((one) => one?.kind === "Canary")) expect(parseCanary(manifest)).toMatchObject({ ok: true });
  });
});

/** What stands in the first column of the tables. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`([\w.]+)`/g)].map(([, name = ""]) => name));
}

function section(file: string, heading: string): string {
  return page(file).split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
}

test.each([["kurator-rollout", page("docs/install.md")], ["loadtester", section("docs/loadtester.md", "Install")], ["kurator-rollout-fleet", section("docs/fleet.md", "Values")]])("every value of charts/%s that its installation names exists", (chart, text) => {
  const values = parse(page(`charts/${chart}/values.yaml`)) as Record<string, unknown>;
  const rows = firstCells(text);
  const found = (path: string): boolean => path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], values) !== undefined;
  expect(rows.length).toBeGreaterThan(8);
  expect(rows.filter((path) => !found(path))).toEqual([]);
});

test("the load tester's page has every type, switch and field, and no other", () => {
  const used = firstCells(section("docs/loadtester.md", "Use in a Canary"));
  // cmd is a type and a key.
  expect([...used].sort()).toEqual([...TYPES, "cmd", ...SWITCHES].sort());
  expect(firstCells(section("docs/loadtester.md", "Load")).sort()).toEqual([...LOAD_FIELDS].sort());
});

test("files that the documents name as proof exist, and so do the tests", () => {
  const lost = PAGES.flatMap((file) =>
    [...page(file).matchAll(/`(tests\/[\w/.-]+\.ts)`(?: "([^"]+)")?/g)].flatMap(([, path = "", name]) => {
      if (!existsSync(join(root, path))) return [`${file}: no ${path}`];
      return name === undefined || page(path).includes(name) ? [] : [`${file}: no "${name}" in ${path}`];
    }),
  );
  expect(lost).toEqual([]);
});

test("every weak point has a row, and every row a proof or a word about what is not met", () => {
  const rows = [...page("docs/weak-points.md").matchAll(/^\| ([WU]\d+) \|.*\| (.*) \| (.*) \|$/gm)].map(([, id = "", here = "", proof = ""]) => ({ id, proved: proof.includes("`tests/") || /not met|there is none/i.test(here) }));
  const points = Array.from({ length: 31 }, (_, index) => `W${index + 1}`);
  expect(rows.map(({ id }) => id).filter((id) => id.startsWith("W"))).toEqual(points);
  expect(rows.filter(({ proved }) => !proved).map(({ id }) => id)).toEqual([]);
});
