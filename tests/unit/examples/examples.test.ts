// Are the examples what they say? Each Canary is read as the engine reads it, and its metrics are planned.
import { groupOf } from "../../../crds/marks.ts";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { planMetrics } from "../../../analysis/plan.ts";
import { parseCanary } from "../../../crds/canary.ts";
import { settingsOf } from "../../../engine/machine/settings.ts";

const folder = new URL("../../../examples/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

function objects(file: string): { kind: string; apiVersion: string }[] {
  return parseAllDocuments(readFileSync(new URL(file, folder), "utf8")).map((document) => document.toJS() as { kind: string; apiVersion: string });
}

test("there is one example for each thing that a user begins with", () => {
  expect(files).toEqual(expect.arrayContaining(["app.yaml", "canary-istio.yaml", "ci-job.yaml", "flagger-canary.yaml", "metric-duration.yaml", "metric-promql.yaml", "metric-success-rate.yaml", "webhooks.yaml"]));
});

describe.each(files)("%s", (file) => {
  test("opens with what it shows and the command for it", () => {
    const [first, second] = readFileSync(new URL(file, folder), "utf8").split("\n");
    expect(first).toMatch(/^# \S/);
    expect(second).toContain(`examples/${file}`);
  });

  test("every Canary in it is accepted and its metrics can be planned", () => {
    for (const object of objects(file).filter(({ kind }) => kind === "Canary")) {
      const parsed = parseCanary(object);
      expect(parsed).toMatchObject({ ok: true });
      if (!parsed.ok) continue;
      const { spec, metadata } = parsed.canary;
      const group = groupOf(object.apiVersion);
      const planned = planMetrics({ group, name: metadata.name, namespace: metadata.namespace ?? "", spec, metricsServer: "http://prometheus:9090", meshProvider: "istio" });
      expect(planned).toMatchObject({ ok: true });
      expect(settingsOf(group, spec).rungs.at(-1)).toBe(50);
    }
  });
});
