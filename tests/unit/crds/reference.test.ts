// Is the reference in docs/ what the schemas say?
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { KINDS } from "../../../crds/generate.ts";
import { renderHostReference, renderReference } from "../../../crds/reference.ts";

test.each(["Application", "Fleet", "AttachedCluster"])("docs/reference of %s is fresh (node scripts/reference.mjs)", (kind) => {
  expect(readFileSync(new URL(`../../../docs/reference/${kind.toLowerCase()}.md`, import.meta.url), "utf8")).toBe(renderHostReference(kind));
});

test.each([...KINDS])("docs/reference of %s is fresh (node scripts/reference.mjs)", (kind) => {
  expect(readFileSync(new URL(`../../../docs/reference/${kind.toLowerCase()}.md`, import.meta.url), "utf8")).toBe(renderReference(kind));
});

test("every field has a row, with what is required and its limits", () => {
  const page = renderReference();
  expect(page).toContain("| `spec.targetRef.name*` |");
  expect(page).toMatch(/\| `spec\.analysis\.stepWeight` \| integer \| at least 1; at most 100 \| Percent by which/);
  expect(page).toMatch(/\| `spec\.analysis\.metrics\[\]\.thresholdRange\.min` \|/);
  expect(page).toContain("| `status.run.id*` |");
});
