// How does a person read the schema? A page with one row for each field, made from the CRD, so that it cannot say anything else.
import { GROUPS } from "./canary.ts";
import { renderHostCRDs } from "./fleetcrds.ts";
import { renderCRD, type CustomResourceDefinition, type GroupName, type KindName } from "./generate.ts";
import { list, map, text, type Json } from "./json.ts";

interface Row {
  path: string;
  type: string;
  rules: string;
  description: string;
}

/** Markdown of one kind of our group: spec, then status. */
export function renderReference(kind: KindName = "Canary", group: GroupName = GROUPS.own.group): string {
  return pageOf(renderCRD(group, { kind }));
}

/** The same of a kind of the host cluster, such as Application. */
export function renderHostReference(kind: string): string {
  const crd = renderHostCRDs().find(({ spec }) => spec.names.kind === kind);
  if (crd === undefined) throw new Error(`the host has no kind ${kind}`);
  return pageOf(crd);
}

function pageOf({ spec: { group, names: { kind }, versions } }: CustomResourceDefinition): string {
  const [version] = versions;
  const properties = map(map(version?.schema.openAPIV3Schema).properties);
  const head = `# ${kind} (${group}/${version?.name ?? ""})\n\nMade from the schemas by \`node scripts/reference.mjs\`; a field marked * is required.\n`;
  const parts = ["spec", "status"].map((part) => `\n## ${part}\n\n| field | type | limits | meaning |\n| --- | --- | --- | --- |\n${rowsOf(map(properties[part]), part, false).map(line).join("\n")}\n`);
  return head + parts.join("");
}

function line({ path, type, rules, description }: Row): string {
  return `| \`${path}\` | ${type} | ${rules} | ${description} |`;
}

function rowsOf(schema: Json, path: string, required: boolean): Row[] {
  const own: Row = { path: required ? `${path}*` : path, type: typeOf(schema), rules: rulesOf(schema), description: cell(text(schema.description) ?? "") };
  const demanded = new Set(list(schema.required));
  const fields = Object.entries(map(schema.properties)).flatMap(([name, field]) => rowsOf(map(field), `${path}.${name}`, demanded.has(name)));
  const items = schema.items === undefined ? [] : rowsOf(map(schema.items), `${path}[]`, false).slice(1);
  const values = typeof schema.additionalProperties === "object" ? rowsOf(map(schema.additionalProperties), `${path}.*`, false).slice(1) : [];
  return [...(path.includes(".") ? [own] : []), ...fields, ...items, ...values];
}

function typeOf(schema: Json): string {
  if (schema["x-kubernetes-int-or-string"] === true) return "integer or string";
  const type = text(schema.type) ?? "any";
  if (type === "array") return `list of ${typeOf(map(schema.items))}`;
  return type === "object" && typeof schema.additionalProperties === "object" ? `map of ${typeOf(map(schema.additionalProperties))}` : type;
}

function rulesOf(schema: Json): string {
  const said: string[] = [];
  const choices = list(schema.enum).filter((value) => value !== "");
  if (choices.length > 0) said.push(choices.map((value) => `\`${String(value)}\``).join(", "));
  for (const [word, shown] of [["minimum", "at least"], ["maximum", "at most"], ["maxItems", "items at most"], ["maxLength", "characters at most"]] as const) {
    if (typeof schema[word] === "number") said.push(`${shown} ${schema[word]}`);
  }
  if (schema.default !== undefined) said.push(`default \`${JSON.stringify(schema.default)}\``);
  for (const rule of list(schema["x-kubernetes-validations"])) said.push(cell(text(map(rule).message) ?? ""));
  return said.join("; ");
}

function cell(words: string): string {
  return words.replace(/\|/g, "\\|").replace(/\s+/g, " ");
}
