// Does the chart say what the program does? What can be held without helm; rendering is checked by scripts/chart-check.sh.
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { renderYaml } from "../../../crds/generate.ts";

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const chart = "charts/kurator-rollout";
const CHARTS = [chart, "charts/loadtester"];

test.each(["rollout.kurator.dev", "flagger.app"] as const)("the CRDs of %s are as the schemas have them (else: node scripts/chart-crds.mjs)", (group) => {
  expect(read(`${chart}/files/crds-${group}.yaml`)).toBe(renderYaml([group], { keep: true }));
});

test.each(CHARTS)("%s and the package have one version", (chart) => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  expect(parse(read(`${chart}/Chart.yaml`))).toMatchObject({ version, appVersion: version });
});

test.each(CHARTS)("%s: every value has a schema and every schema a value", (chart) => {
  const values = Object.keys(parse(read(`${chart}/values.yaml`)) as object).sort();
  const { properties } = JSON.parse(read(`${chart}/values.schema.json`)) as { properties: object };
  expect(Object.keys(properties).filter((key) => key !== "global").sort()).toEqual(values);
});

test.each(CHARTS)("%s: every flag that it gives is one that the program has", (chart) => {
  const given = [...read(`${chart}/templates/deployment.yaml`).matchAll(/(--[a-z-]+)=/g)].map(([, flag]) => flag);
  const program = read("engine/main.ts");
  expect(given.length).toBeGreaterThan(5);
  for (const flag of given) expect(program).toContain(`"${flag} `);
});

test("every series of the dashboard and the alerts is one that the engine shows", () => {
  const shown = read("engine/adapters/metrics.ts");
  const named = [...`${read(`${chart}/files/dashboard.json`)}${read(`${chart}/templates/monitoring.yaml`)}`.matchAll(/\b((?:flagger|kurator_rollout)_[a-z_]+)\b/g)].map(([, name]) => name);
  expect(new Set(named).size).toBeGreaterThan(7);
  for (const name of new Set(named)) expect(shown).toContain(`"${name}"`);
});
