// Is what the program says of its providers what the registries hold, and is the page fresh?
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { PROVIDERS } from "../../../analysis/registry.ts";
import { listing, printProviders, renderProviders } from "../../../cli/providers.ts";
import { ROUTERS } from "../../../routing/registry.ts";

function printed(format: "text" | "json"): string {
  let all = "";
  printProviders(format, (text) => void (all += text));
  return all;
}

test("docs/reference/providers.md is fresh (node scripts/reference.mjs)", () => {
  expect(readFileSync(new URL("../../../docs/reference/providers.md", import.meta.url), "utf8")).toBe(renderProviders());
});

test("every router and every provider is there, with what it cannot do", () => {
  const text = printed("text");
  for (const { name } of ROUTERS) expect(text).toContain(`  ${name}\n`);
  for (const { name, about, keys } of PROVIDERS) {
    expect(text).toMatch(new RegExp(`^  ${name}( \\(.*\\))?$`, "m"));
    expect(text).toContain(about.cannot);
    for (const key of keys.flat()) expect(text).toContain(key);
  }
  expect(listing().routers.find(({ name }) => name === "kubernetes")).toMatchObject({ can: ["builtin metrics"], cannot: ["weights", "mirrored requests", "A/B", "session affinity"], objects: [] });
  expect(listing().routers.find(({ name }) => name === "istio")).toMatchObject({ cannot: [], objects: ["VirtualService", "DestinationRule"] });
});

test("JSON is one object with both", () => {
  expect(JSON.parse(printed("json"))).toEqual(listing());
});
