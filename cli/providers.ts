// Which routers and metric providers are there, and what can each of them not do? The registries, printed: for people, as JSON, or as the page of the reference.
import { builtinsFor, PROVIDERS } from "../analysis/registry.ts";
import type { Provider } from "../analysis/types.ts";
import { ROUTERS } from "../routing/registry.ts";
import type { Router } from "../routing/router.ts";

export interface Listing {
  routers: { name: string; can: string[]; cannot: string[]; objects: string[] }[];
  metricProviders: { name: string; title: string; query: string; takes: string; cannot: string; address: string; keys: string; needs: string[] }[];
}

const ABILITIES: Readonly<Record<string, string>> = { weights: "weights", mirror: "mirrored requests", match: "A/B", sessionAffinity: "session affinity" };

const HOMES: Readonly<Record<string, string>> = { metricsServer: "--metrics-server where the template names none", cluster: "the engine's own API server where the template names none" };

export function listing(routers: readonly Router[] = ROUTERS, providers: readonly Provider[] = PROVIDERS): Listing {
  return { routers: routers.map(routerOf), metricProviders: providers.map(providerOf) };
}

function routerOf({ name, can, kinds, refersTo }: Router): Listing["routers"][number] {
  const abilities = [...Object.entries(can).map(([ability, there]) => ({ text: ABILITIES[ability] ?? ability, there })), { text: "builtin metrics", there: builtinsFor(name) !== undefined }];
  const objects = kinds.flatMap(([first]) => (first === undefined || refersTo.includes(first.kind) ? [] : [first.kind]));
  const of = (wanted: boolean): string[] => abilities.filter(({ there }) => there === wanted).map(({ text }) => text);
  return { name, can: of(true), cannot: of(false), objects: [...new Set(objects)] };
}

function providerOf({ name, title, about, home, keys, maybe = [], needs, own }: Provider): Listing["metricProviders"][number] {
  const sets = keys.length === 0 ? "each key is a header" : keys.map((set) => set.join(" and ")).join(", or ");
  const optional = needs.includes("secretRef") ? "" : own === undefined ? " (the Secret is optional)" : " (without a Secret what the engine itself may do)";
  return { name, title, ...about, address: HOMES[home ?? ""] ?? home ?? "named by the template", keys: `${sets}${maybe.length === 0 ? "" : `; optional ${maybe.join(", ")}`}${optional}`, needs: needs.map((field) => `spec.provider.${field}`) };
}

export function printProviders(format: "text" | "json", print: (text: string) => void, { routers, metricProviders }: Listing = listing()): void {
  if (format === "json") return print(`${JSON.stringify({ routers, metricProviders }, undefined, 2)}\n`);
  const block = (name: string, rows: [string, string][]): string => `  ${name}\n${rows.filter(([, text]) => text !== "").map(([word, text]) => `    ${word.padEnd(8)} ${text}\n`).join("")}`;
  print("Routers (spec.provider of a Canary)\n\n");
  for (const { name, can, cannot, objects } of routers) print(block(name, [["can", can.join(", ")], ["cannot", cannot.join(", ")], ["objects", objects.join(", ") || "none"]]));
  print("\nMetric providers (spec.provider.type of a MetricTemplate)\n\n");
  for (const { name, title, query, takes, cannot, address, keys } of metricProviders) {
    print(block(name === title.toLowerCase() ? name : `${name} (${title})`, [["query", query], ["takes", takes], ["cannot", cannot], ["address", address], ["Secret", keys]]));
  }
}

/** docs/reference/providers.md */
export function renderProviders({ routers, metricProviders }: Listing = listing()): string {
  const table = (head: string[], rows: string[][]): string => [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map((cell) => cell.replace(/\|/g, "\\|")).join(" | ")} |`).join("\n");
  const routed = table(["provider", "can", "cannot", "objects"], routers.map(({ name, can, cannot, objects }) => [`\`${name}\``, can.join(", "), cannot.join(", "), objects.join(", ") || "none"]));
  const measured = table(
    ["type", "query", "value", "cannot", "address", "keys of the Secret"],
    metricProviders.map(({ name, query, takes, cannot, address, keys }) => [`[\`${name}\`](../providers/${name}.md)`, query, takes, cannot, address, keys]),
  );
  const words = "No data, an answer that is not the API's, text and several numbers are never a value: silence is no data, everything else an error that names the MetricTemplate and its field.";
  return `# Providers\n\nMade from the registries by \`node scripts/reference.mjs\`; \`kurator-rollout providers\` prints the same.\n\n## Routers\n\n\`spec.provider\` of a Canary; more about each in [routers](../routers.md).\n\n${routed}\n\n## Metric providers\n\n\`spec.provider.type\` of a MetricTemplate. ${words}\n\n${measured}\n`;
}
