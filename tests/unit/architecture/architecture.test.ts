// Is the picture in ARCHITECTURE.md the picture of the code? Reads the sources: directions of imports, what the pure rooms may touch, sizes, headers, names.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "@jest/globals";

const root = new URL("../../../", import.meta.url).pathname;
const ROOMS = ["crds", "engine", "analysis", "routing", "alerts", "cli", "sandbox", "loadtester", "fleet"].filter((room) => existsSync(join(root, room)));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? sources(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const FILES = ROOMS.flatMap(sources);
const TEXT = new Map(FILES.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** Whom a room may import from, beside itself. Types of `engine/machine` and `engine/ports` are words that everybody speaks. */
const ALLOWED: Record<string, readonly string[]> = {
  crds: ["engine/ports"],
  "engine/ports": [],
  "engine/machine": ["crds", "engine/ports"],
  "engine/workload": ["crds", "engine/ports", "engine/machine"],
  analysis: ["crds", "engine/ports"],
  routing: ["crds", "engine/ports"],
  alerts: ["crds", "engine/ports"],
  "engine/controller": ["crds", "engine/ports", "engine/machine", "engine/workload", "analysis", "routing", "alerts"],
  "engine/adapters": ["crds", "engine/ports", "engine/machine", "engine/controller", "analysis"],
  "engine/run": ["crds", "engine/ports", "engine/machine", "engine/workload", "engine/controller", "engine/adapters", "routing", "analysis", "alerts"],
  cli: ["crds", "engine/ports", "engine/machine", "engine/workload", "engine/controller", "engine/adapters", "engine/run", "fleet", "routing", "analysis", "sandbox", "sandbox/demo", "sandbox/simulation"],
  fleet: ["crds", "engine/ports", "engine/workload", "engine/controller", "engine/adapters"],
  "engine/main": ["crds", "engine/ports", "engine/adapters", "engine/run", "routing", "cli", "loadtester", "fleet"],
  loadtester: ["crds", "engine/ports", "engine/adapters"],
  sandbox: ["crds"],
  "sandbox/demo": ["crds", "engine/ports", "engine/machine", "engine/adapters", "engine/run", "sandbox"],
  "sandbox/simulation": ["crds", "engine/ports", "engine/machine", "engine/adapters", "engine/run", "fleet", "sandbox"],
};

function roomOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  if (first === "engine") return `engine/${second.replace(/\.ts$/, "")}`;
  if (first === "sandbox" && (second === "demo" || second === "simulation")) return `sandbox/${second}`;
  return first;
}

function imports(file: string): string[] {
  return [...(TEXT.get(file) ?? "").matchAll(/^(?:import|export)[^;]*?from "([^"]+)"/gm)].map(([, from = ""]) => from);
}

function wrongImports(file: string, from: readonly string[]): string[] {
  const room = roomOf(file);
  const local = from.filter((path) => path.startsWith(".")).map((path) => roomOf(normalize(join(dirname(file), path))));
  return local.filter((other) => other !== room && !(ALLOWED[room] ?? []).includes(other)).map((other) => `${file} imports ${other}`);
}

describe("imports", () => {
  test("go down only", () => expect(FILES.flatMap((file) => wrongImports(file, imports(file)))).toEqual([]));

  test("and the test would see one that goes up", () => {
    expect(wrongImports("engine/machine/next.ts", ["../adapters/http.ts"])).toEqual(["engine/machine/next.ts imports engine/adapters"]);
    expect(wrongImports("crds/canary.ts", ["../engine/machine/types.ts"])).toHaveLength(1);
  });

  test("the load tester, which knows no Canary, takes nothing of the API but how durations are written", () => {
    const taken = FILES.filter((file) => roomOf(file) === "loadtester").flatMap((file) => imports(file).filter((path) => path.includes("/crds/")));
    expect([...new Set(taken)]).toEqual(["../crds/durations.ts"]);
  });

  test("every file is in a room", () => expect(FILES.filter((file) => !Object.hasOwn(ALLOWED, roomOf(file)))).toEqual([]));
});

const PURE = ["crds", "engine/machine", "engine/workload", "analysis", "routing", "alerts", "engine/controller"];
const OUTSIDE = /\b(Date\.now\(|new Date\(\)|setTimeout\(|setInterval\(|Math\.random\(|process\.|console\.|fetch\(|performance\.)/;
/** Packages and modules that compute and reach nothing. */
const HARMLESS = new Set(["zod", "yaml", "prometheus-query", "cron-parser", "p-queue", "node:crypto", "node:util", "aws4fetch"]);

function touches(file: string, text: string, from: readonly string[]): string[] {
  const code = text.split("\n").filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line));
  const lines = code.filter((line) => OUTSIDE.test(line)).map((line) => `${file}: ${line.trim().slice(0, 80)}`);
  return [...lines, ...from.filter((path) => !path.startsWith(".") && !HARMLESS.has(path)).map((path) => `${file}: imports ${path}`)];
}

describe("below the adapters", () => {
  const pure = FILES.filter((file) => PURE.includes(roomOf(file)));

  test("nothing reads a clock, a random source or the outside", () => {
    expect(pure.flatMap((file) => touches(file, TEXT.get(file) ?? "", imports(file)))).toEqual([]);
    expect(pure.length).toBeGreaterThan(50);
  });

  test("and the test would see it", () => {
    expect(touches("x.ts", "const now = Date.now();\n// Date.now() in words", ["axios"])).toEqual(["x.ts: const now = Date.now();", "x.ts: imports axios"]);
  });
});

describe("files", () => {
  test("open with the question that they answer", () => {
    expect(FILES.filter((file) => !(TEXT.get(file) ?? "").startsWith("// "))).toEqual([]);
  });

  test("stay below 400 lines, tests too", () => {
    const long = [...FILES, ...sources("tests")].filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > 400);
    expect(long).toEqual([]);
  });

  test("promise no later work and silence no compiler", () => {
    const smell = /\b(TODO|FIXME|XXX)\b|@ts-ignore|\bas any\b(?! other)/;
    expect(FILES.filter((file) => smell.test(TEXT.get(file) ?? ""))).toEqual([]);
  });
});

describe("ARCHITECTURE.md", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");

  test("names every room", () => {
    const rooms = ["crds", "engine/machine", "engine/workload", "engine/controller", "engine/adapters", ...ROOMS.filter((room) => room !== "engine" && room !== "crds")];
    expect(rooms.filter((room) => !text.includes(`\`${room}/\``))).toEqual([]);
  });

  test("names no path that does not exist", () => {
    const paths = [...text.matchAll(/`([a-z][\w-]*(?:\/[\w.-]+)+\/?)`/g)].map(([, path = ""]) => path);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("and no file name without a room that is not in the room it stands under", () => {
    const section = (heading: string): string => text.split(`### \`${heading}/\``)[1]?.split("\n### ")[0] ?? "";
    const gone = ["crds", "engine/machine", "engine/controller", "engine/adapters"].flatMap((room) =>
      [...section(room).matchAll(/`([\w-]+\.ts)`/g)].map(([, name = ""]) => `${room}/${name}`).filter((path) => !existsSync(join(root, path))),
    );
    expect(gone).toEqual([]);
  });
});

test("the project speaks of itself alone", () => {
  const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n").filter((file) => /\.(ts|md|yaml|json|mjs|sh)$/.test(file) && file !== "package-lock.json");
  const foreign = /\bsubagent|\/work\/|registry\.npmjs|\bClaude\b/i;
  expect(tracked.filter((file) => file !== "tests/unit/architecture/architecture.test.ts" && existsSync(join(root, file)) && foreign.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});
