// Which rules does one rule that leads to the app become, and how is it found again among them? Every router of the Gateway API asks here. Rules carry
// no mark of their own, so each state is known by where its rules lead:
//
//   plain      [both]                          everybody, by weights
//   matched    [both] [primary]                the chosen by weights, everybody else
//   sticky     [canary] ([primary]) [both]     who has a cookie, everybody else by weights
//   expired    [primary] [both]                who has the last run's cookie, everybody else
//
// What else a rule says, a user's edit of it above all, is kept in each of them.
import { defined, list, map, text, without, type Json } from "../crds/json.ts";
import { sendsCookie, setCookies } from "./cookies.ts";
import { crossed } from "./gateway-rules.ts";
import { isPercent } from "./refusals.ts";
import type { RouteIntent } from "./router.ts";

type Apex = Pick<RouteIntent, "apex">;
type Leads = "apex" | "both" | "primary" | "canary";

/** A rule of the user's or the manifest's, and what holds its weights now. */
export interface Group {
  state: "plain" | "matched" | "sticky" | "expired" | "unsplit";
  base: Json;
  split: Json;
}

export function backends({ apex }: Apex): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

/** Undefined for a rule that does not concern the app. */
export function leadsTo(rule: Json, apex: Apex): Leads | undefined {
  const names = appRefs(rule, apex).map((ref) => ref.name);
  const [primary, canary] = backends(apex).map((name) => names.includes(name));
  if (names.includes(apex.apex)) return "apex";
  if (primary === true) return canary === true ? "both" : "primary";
  return canary === true ? "canary" : undefined;
}

function isAppRef(ref: Json, apex: Apex): boolean {
  return [apex.apex, ...backends(apex)].includes(text(ref.name) ?? "") && (ref.kind ?? "Service") === "Service" && ref.namespace === undefined;
}

export function appRefs(rule: Json, apex: Apex): Json[] {
  return list(rule.backendRefs).map(map).filter((ref) => isAppRef(ref, apex));
}

/** Backends that are none of the app's. */
export function otherRefs(rule: Json, apex: Apex): Json[] {
  return list(rule.backendRefs).map(map).filter((ref) => !isAppRef(ref, apex));
}

/** The rules that lead to the app, each with those that were made of it. */
export function groupsOf(rules: readonly Json[], apex: Apex): Group[] {
  const leading = rules.map((rule) => ({ rule, leads: leadsTo(rule, apex) })).filter(({ leads }) => leads !== undefined);
  const groups: Group[] = [];
  for (let at = 0; at < leading.length; ) {
    const [first, second, third] = leading.slice(at, at + 3);
    if (first === undefined) break;
    const words = [first, second, third].map((one) => one?.leads ?? "-").join(" ");
    const group = shapes(words, first.rule, second?.rule ?? {}, third?.rule ?? {});
    groups.push(group);
    at += group.length;
  }
  return groups;
}

function shapes(words: string, first: Json, second: Json, third: Json): Group & { length: number } {
  if (words === "canary primary both") return { state: "sticky", base: third, split: third, length: 3 };
  if (words.startsWith("canary both")) return { state: "sticky", base: second, split: second, length: 2 };
  if (words.startsWith("both primary") && !isTold(second)) return { state: "matched", base: second, split: first, length: 2 };
  if (words.startsWith("primary both") && isTold(first)) return { state: "expired", base: second, split: second, length: 2 };
  if (words.startsWith("both")) return { state: "plain", base: first, split: first, length: 1 };
  return { state: "unsplit", base: first, split: first, length: 1 };
}

/** Whoever comes by it is told something about a cookie: it was made for users who come back. */
function isTold(rule: Json): boolean {
  return list(rule.backendRefs).map(map).some((ref) => list(ref.filters).some(isCookie));
}

function isCookie(filter: unknown): boolean {
  const added = list(map(map(filter).responseHeaderModifier).add).map(map);
  return added.some(({ name }) => text(name)?.toLowerCase() === "set-cookie");
}

/** Filters of the app's backends would be mixed up with those that give cookies. */
export function hasOwnHeaders(rule: Json, apex: Apex): boolean {
  return appRefs(rule, apex).some((ref) => list(ref.filters).some((filter) => map(filter).type === "ResponseHeaderModifier" && !isCookie(filter)));
}

/** The rule as it was before it was split: with the apex Service as its one backend of the app. */
export function whole(rule: Json, apex: Apex): Json {
  const [first] = appRefs(rule, apex);
  const filters = list(rule.filters).filter((filter) => text(map(map(map(filter).requestMirror).backendRef).name) !== backends(apex)[1]);
  const own = list(first?.filters).filter((filter) => !isCookie(filter));
  const ref = { ...without(map(first), ["filters"]), name: apex.apex, weight: 1, ...(own.length === 0 ? {} : { filters: own }) };
  return { ...without(rule, ["filters"]), ...(filters.length === 0 ? {} : { filters }), backendRefs: [ref, ...otherRefs(rule, apex)] };
}

/**
 * All rules, each one that leads to the app replaced by what `become` makes of it as it was before.
 * @param ours whether the engine wrote the route before: in one that it never wrote no rule was made of another
 */
export function replaced(rules: readonly Json[], apex: Apex, ours: boolean, become: (base: Json) => Json[]): Json[] {
  const bases = new Set(groupsOf(rules, apex).map(({ base }) => base));
  return rules.flatMap((rule) => {
    if (leadsTo(rule, apex) === undefined) return [rule];
    return !ours || bases.has(rule) ? become(whole(rule, apex)) : [];
  });
}

/** @param base a rule as `whole` gives it */
export function expanded(base: Json, intent: RouteIntent): Json[] {
  const { spec, affinity } = intent;
  const [template] = appRefs(base, intent);
  const others = otherRefs(base, intent);
  const to = (which: 0 | 1, weight: number, cookie?: string): Json => withCookie({ ...template, name: backends(intent)[which], weight }, cookie);
  const leading = (backendRefs: Json[]): Json => ({ ...base, backendRefs: [...backendRefs, ...others] });
  // Names of rules are unique, and this one is the base's.
  const extra = (conditions: readonly Json[], backendRefs: Json[]): Json => ({ ...without(leading(backendRefs), ["name"]), matches: crossed(list(base.matches).map(map), conditions) });
  const weighted = [to(0, intent.primaryWeight), to(1, intent.canaryWeight)];
  if (intent.scope === "matched") {
    const chosen = list(spec.analysis?.match).map(map);
    // The conditions are gone from the manifest: nobody is chosen any more.
    if (chosen.length === 0) return [leading([to(0, 100), to(1, 0)])];
    return [extra(chosen, weighted), leading([to(0, 1)])];
  }
  const mirrored = mirrorTo(template, intent);
  const everybody = (backendRefs: Json[]): Json => ({ ...leading(backendRefs), ...(mirrored === undefined ? {} : { filters: [...list(base.filters), mirrored] }) });
  if (affinity === undefined) return [everybody(weighted)];
  const { canary, primary, expired } = affinity;
  const told = setCookies(spec, affinity);
  const sends = (cookie: string): Json[] => [{ headers: { Cookie: { regex: sendsCookie(cookie) } } }];
  if (canary === undefined) return [...(expired === undefined ? [] : [extra(sends(expired), [to(0, 1, told.expired)])]), everybody(weighted)];
  return [
    extra(sends(canary), [to(1, 1)]),
    ...(primary === undefined ? [] : [extra(sends(primary), [to(0, 1)])]),
    everybody([to(0, intent.primaryWeight, told.primary), to(1, intent.canaryWeight, told.canary)]),
  ];
}

function withCookie(ref: Json, cookie: string | undefined): Json {
  if (cookie === undefined) return ref;
  const filter = { type: "ResponseHeaderModifier", responseHeaderModifier: { add: [{ name: "Set-Cookie", value: cookie }] } };
  return { ...ref, filters: [...list(ref.filters), filter] };
}

function mirrorTo(template: Json | undefined, intent: RouteIntent): Json | undefined {
  if (intent.mirror !== true) return undefined;
  const backendRef = defined({ group: template?.group, kind: template?.kind, name: backends(intent)[1], port: template?.port });
  return { type: "RequestMirror", requestMirror: { backendRef } };
}

/** What rules say that were made of one another as above; a sentence when they say nothing that can be told. */
export function splitOf(rules: readonly Json[], apex: Apex): { primaryWeight: number; canaryWeight: number; scope: "all" | "matched"; mirror: boolean } | string {
  const [primary, canary] = backends(apex);
  const groups = groupsOf(rules, apex);
  const [first] = groups;
  if (first === undefined || groups.some(({ state }) => state === "unsplit")) return `each of its rules for the app should lead to ${primary} and ${canary}`;
  const readings = groups.map((group) => weightsOf(appRefs(group.split, apex), primary, canary));
  const [reading] = readings;
  if (reading === undefined || readings.some((other) => other?.primaryWeight !== reading.primaryWeight)) return "its rules disagree, or their weights are no percents that sum to 100";
  if (first.state === "sticky" && reading.canaryWeight === 0) return `users are kept at ${canary}, which has no weight`;
  if (groups.some(({ state }) => state !== first.state)) return "its rules do not choose the same users";
  return { ...reading, scope: first.state === "matched" ? "matched" : "all", mirror: groups.some(({ split }) => mirrors(split, canary)) };
}

function mirrors(rule: Json, canary: string): boolean {
  return list(rule.filters).some((filter) => map(map(map(filter).requestMirror).backendRef).name === canary);
}

function weightsOf(refs: Json[], primary: string, canary: string): { primaryWeight: number; canaryWeight: number } | undefined {
  const [left, right] = [refs.find((ref) => ref.name === primary)?.weight, refs.find((ref) => ref.name === canary)?.weight];
  if (refs.length !== 2 || !isPercent(left) || !isPercent(right) || left + right !== 100) return undefined;
  return { primaryWeight: left, canaryWeight: right };
}
