// Does the chart say what the program does? What can be held without helm; rendering is checked by scripts/chart-check.sh.
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { renderHostYaml } from "../../../crds/fleetcrds.ts";
import { renderYaml } from "../../../crds/generate.ts";
import { ROUTERS } from "../../../routing/registry.ts";

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const chart = "charts/kurator-rollout";
const FLEET_FLAGS = ["chart-repository", "lease-name", "load-tester-image", "log-level", "port", "watch-namespaces"];
const CHARTS = [chart, "charts/loadtester", "charts/kurator-rollout-fleet"];

test.each(["rollout.kurator.dev", "flagger.app"] as const)("the CRDs of %s are as the schemas have them (else: node scripts/chart-crds.mjs)", (group) => {
  expect(read(`${chart}/files/crds-${group}.yaml`)).toBe(renderYaml([group], { keep: true }));
});

test("the host's CRDs are as the schemas have them (else: node scripts/chart-crds.mjs)", () => {
  expect(read("charts/kurator-rollout-fleet/files/crds.yaml")).toBe(renderHostYaml({ keep: true }));
});

test("in a member the fleet may do what it does, and nothing more", () => {
  const { rules } = parse(read("charts/kurator-rollout-fleet/files/member-role.yaml")) as { rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[] };
  const said = rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.map((resource) => `${resource}.${group} ${verbs.join(",")}`)));
  const all = "get,list,watch,create,patch,delete";
  expect(said).toEqual([
    `canaries.rollout.kurator.dev ${all}`,
    `metrictemplates.rollout.kurator.dev ${all}`,
    `canaries.flagger.app ${all}`,
    `metrictemplates.flagger.app ${all}`,
    `deployments.apps ${all}`,
    "daemonsets.apps get",
    `services. ${all}`,
    `ingresses.networking.k8s.io ${all}`,
    "namespaces. get,create,patch",
  ]);
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
  const template = read(`${chart}/templates/deployment.yaml`);
  const given = [...template.matchAll(/(--[a-z-]+)=/g)].map(([, flag]) => flag);
  const [, subcommand = ""] = /args:\n +- ([a-z]+)\n/.exec(template) ?? [];
  // Of this subcommand: the others have flags that it does not know.
  const known = read("engine/main.ts").split(`.command("${subcommand}")`)[1]?.split(".command(")[0];
  expect(given.length).toBeGreaterThan(4);
  for (const flag of given) expect(known).toContain(`"${flag} `);
});

test("the fleet's chart gives exactly these flags", () => {
  const given = [...read("charts/kurator-rollout-fleet/templates/deployment.yaml").matchAll(/- --([a-z-]+)=/g)].map(([, flag]) => flag);
  expect(given.sort()).toEqual(FLEET_FLAGS);
});

test("the fleet's rights have no wildcard, and no Secret is ever written", () => {
  const helpers = read("charts/kurator-rollout-fleet/templates/_helpers.tpl");
  const rules = parse(/define "fleet.rules" -}}\n([\s\S]*?){{- end/.exec(helpers)?.[1] ?? "") as { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  expect(rules.length).toBeGreaterThan(5);
  expect(rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs])).not.toContain("*");
  expect(rules.filter(({ resources }) => resources.includes("secrets"))).toEqual([{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "watch"] }]);
});

test("every series of the dashboard and the alerts is one that the engine shows", () => {
  const shown = read("engine/adapters/metrics.ts");
  const named = [...`${read(`${chart}/files/dashboard.json`)}${read(`${chart}/templates/monitoring.yaml`)}`.matchAll(/\b((?:flagger|kurator_rollout)_[a-z_]+)\b/g)].map(([, name]) => name);
  expect(new Set(named).size).toBeGreaterThan(7);
  for (const name of new Set(named)) expect(shown).toContain(`"${name}"`);
});

test("the engine may write what its routers write, and read what they refer to; every router may be the default", () => {
  const helpers = read(`${chart}/templates/_helpers.tpl`);
  const rules = ["rules", "gatewayRules"].flatMap((name) => {
    const text = new RegExp(`define "kurator-rollout.${name}" -}}\\n([\\s\\S]*?){{- end -}}`).exec(helpers)?.[1] ?? "";
    return parse(text.replace(/{{[^}]*}}/g, "")) as { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  });
  const allowed = new Map(rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.map((resource): [string, string[]] => [`${resource}.${group}`, verbs]))));
  for (const { kinds, refersTo, revisions } of ROUTERS) {
    for (const { plural, group, kind } of kinds.flat()) {
      // What leads to revisions of a target is written into the target, which is the user's.
      const verbs = ["list", "watch", ...(refersTo.includes(kind) ? [] : revisions === true ? ["patch"] : ["create", "patch", "delete"])];
      // What is read live is what holds the weights; the suite about rights knows.
      expect([plural, allowed.get(`${plural}.${group}`)?.filter((verb) => verb !== "get")]).toEqual([plural, verbs]);
    }
  }
  const { properties } = JSON.parse(read(`${chart}/values.schema.json`)) as { properties: { meshProvider: { enum: string[] } } };
  expect([...properties.meshProvider.enum].sort()).toEqual(ROUTERS.map(({ name }) => name).sort());
});
