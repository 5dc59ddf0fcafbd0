// The chart's role is what the engine needs and no more: whatever the engines of all suites have asked the API server for, the role allows, and whatever the
// role allows somebody has asked for. Runs behind the other suites, of which it reads what they noted.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { said } from "../support/cluster.ts";
import { ASKED } from "../support/engine.ts";

const ALL = ["get", "list", "watch", "create", "patch", "delete"];

function each(verbs: readonly string[], resources: readonly string[], why: string): [string, string][] {
  return verbs.flatMap((verb) => resources.map((resource): [string, string] => [`${verb} ${resource}`, why]));
}

/** What no suite on a real cluster asks for, and where it is asked for instead. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...each(ALL, ["ingresses", "apisixroutes", "meshhttproutes", "traefikservices", "httpproxies"], "the cluster has none of these products: tests/sandbox/routers.test.ts"),
  ...each(ALL, ["scaledobjects"], "the cluster has no KEDA: tests/sandbox/scalers.test.ts"),
  ...each(["delete"], ["virtualservices", "httproutes", "grpcroutes"], "a Canary and its app are deleted at one time: tests/sandbox/attacks.test.ts"),
  ...each(["delete"], ["secrets"], "copies that nobody reads any more go as those of ConfigMaps do: tests/sandbox/configs.test.ts"),
]);

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

async function allowed(): Promise<Set<string>> {
  const { code, stdout, stderr } = await said("helm", ["template", "rollout", "charts/kurator-rollout", "-n", "kurator-system", "--kube-version", "1.27.3", "--set", "flaggerCompatibility.enabled=true"]);
  if (code !== 0) throw new Error(stderr);
  const roles = parseAllDocuments(stdout).map((document) => document.toJS() as { kind?: string; rules?: Rule[] } | null).filter((object) => object?.kind === "ClusterRole" || object?.kind === "Role");
  // The engine counts a status under the name of its kind, and kinds of one name together: Services of Knative with those of Kubernetes.
  return new Set(roles.flatMap((role) => role?.rules ?? []).flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource.replace(/\/status$/, "")}`))));
}

function asked(): { used: Set<string>; refused: string[] } {
  if (!existsSync(ASKED)) throw new Error(`${ASKED} is not there: run the other suites first (npm run e2e)`);
  const lines = [...new Set(readFileSync(ASKED, "utf8").trim().split("\n"))].map((line) => line.split(" "));
  const pair = ([verb, resource]: string[]): string => `${verb} ${resource}`;
  // Which kinds there are may be asked by everybody whom the API server knows.
  const others = lines.filter(([, resource]) => resource !== "apis");
  return { used: new Set(others.filter(([, , code]) => code !== "404" && code !== "0").map(pair)), refused: lines.filter(([, , code]) => code === "403").map(pair) };
}

test("the role allows what is asked for, and nothing that nobody asks for", async () => {
  const [role, { used, refused }] = [await allowed(), asked()];
  const sorted = (words: Iterable<string>): string[] => [...words].sort();
  expect(refused).toEqual([]);
  expect(sorted([...used].filter((pair) => !role.has(pair)))).toEqual([]);
  expect(sorted([...role].filter((pair) => !used.has(pair) && !ELSEWHERE.has(pair)))).toEqual([]);
});
