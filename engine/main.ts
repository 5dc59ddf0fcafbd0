// The program: the only reader of arguments and environment. Each subcommand is put together here and runs elsewhere.
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { GROUPS } from "../crds/canary.ts";
import { CONFIG_KINDS, type ConfigKind } from "../crds/marks.ts";
import { renderHostYaml } from "../crds/fleetcrds.ts";
import { renderYaml, type GroupName } from "../crds/generate.ts";
import { runFleet } from "../fleet/run.ts";
import { demo, type DemoRequest } from "../cli/demo-command.ts";
import { fleetDemo } from "../cli/fleet-demo.ts";
import { printProviders } from "../cli/providers.ts";
import { sandbox } from "../cli/sandbox-command.ts";
import { parseTarget, parseTimeout, wait } from "../cli/wait.ts";
import { EXIT } from "../cli/verdict.ts";
import { waitApplication } from "../cli/waitapplication.ts";
import { runLoadTester } from "../loadtester/run.ts";
import { ROUTERS } from "../routing/registry.ts";
import { createAwsIdentity } from "./adapters/awsidentity.ts";
import { realClock, realRandom } from "./adapters/clock.ts";
import { createHttp } from "./adapters/http.ts";
import { createKubeApi } from "./adapters/kube.ts";
import { createLog, LEVELS, type Level } from "./adapters/logger.ts";
import { clusterOfText } from "./adapters/kubeconfig.ts";
import { httpTransport, loadTransport } from "./adapters/transport.ts";
import type { Log } from "./ports.ts";
import { runEngine } from "./run.ts";

declare const KURATOR_ROLLOUT_VERSION: string | undefined;
const VERSION = typeof KURATOR_ROLLOUT_VERSION === "string" ? KURATOR_ROLLOUT_VERSION : "development";
const ENVIRONMENT = "KURATOR_ROLLOUT_";
const NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

const program = new Command("kurator-rollout").description("Progressive delivery for Kubernetes").version(VERSION).enablePositionalOptions();

/** Each flag is an environment variable as well: --metrics-server is KURATOR_ROLLOUT_METRICS_SERVER. */
function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(`${ENVIRONMENT}${made.name().replace(/^no-/, "").replaceAll("-", "_").toUpperCase()}`);
}

function words(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function groupNames(text: string): GroupName[] {
  const known: GroupName[] = Object.values(GROUPS).map(({ group }) => group);
  const named = words(text);
  const unknown = named.find((name) => !known.some((group) => group === name));
  if (unknown !== undefined || named.length === 0) throw new InvalidArgumentError(`use ${known.join(" or ")}, separated by commas`);
  return known.filter((group) => named.includes(group));
}

function whole(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`use a whole number from ${min} to ${max}`);
    return value;
  };
}

function yes(text: string): boolean {
  if (!["true", "false"].includes(text)) throw new InvalidArgumentError("use true or false");
  return text === "true";
}

function configKinds(text: string): ConfigKind[] {
  if (!["true", "configmaps", "false"].includes(text)) throw new InvalidArgumentError("use true, configmaps or false");
  return text === "true" ? [...CONFIG_KINDS] : text === "configmaps" ? ["configmap"] : [];
}

function repository(text: string): string {
  if (!/^(https?|oci):\/\/\S+$/.test(text)) throw new InvalidArgumentError("must begin with https:// or oci://");
  return text;
}

function url(text: string): string {
  if (!URL.canParse(text)) throw new InvalidArgumentError("use a URL such as http://prometheus.istio-system:9090");
  return text;
}

function regexp(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError("use a regular expression such as ^team-");
  }
}

interface LoadTesterFlags {
  port: number;
  logLevel: Level;
  timeout: number;
  namespaceRegexp: RegExp;
  tokenFile?: string;
  stateDir?: string;
  concurrency: number;
}

interface ControllerFlags {
  kubeconfig?: string;
  apiGroups: GroupName[];
  metricsServer: string;
  meshProvider: string;
  watchNamespaces: string[];
  gatewayNamespaces: string[];
  leaderElect: boolean;
  leaseNamespace?: string;
  leaseName: string;
  port: number;
  logLevel: Level;
  includeLabelPrefix: string[];
  eventWebhook?: string;
  enableConfigTracking: ConfigKind[];
  crossNamespaceRefs: boolean;
  forbidLinkLocalWebhooks: boolean;
}

program
  .command("controller")
  .description("run the engine")
  .addOption(option("--kubeconfig <file>", "cluster to work in (default: $KUBECONFIG, or the cluster that this runs in)"))
  .addOption(option("--api-groups <groups>", "API groups whose Canaries are worked on").argParser(groupNames).default([GROUPS.own.group]))
  .addOption(option("--metrics-server <url>", "Prometheus of the metrics that name none").argParser(url).default("http://prometheus.istio-system:9090"))
  .addOption(option("--mesh-provider <name>", "router of the Canaries that name none").choices(ROUTERS.map(({ name }) => name)).default("istio"))
  .addOption(option("--watch-namespaces <names>", "only Canaries in these namespaces (default: all)").argParser(words).default([]))
  .addOption(option("--gateway-namespaces <names>", "namespaces of Gateways beside the watched ones").argParser(words).default([]))
  .addOption(option("--leader-elect [boolean]", "let one of several replicas lead").argParser(yes).default(true))
  .addOption(new Option("--no-leader-elect", "work without election; only for a single replica"))
  .addOption(option("--lease-namespace <name>", "namespace of the Lease (default: the engine's own, or default)"))
  .addOption(option("--lease-name <name>", "name of the Lease").default("kurator-rollout"))
  .addOption(option("--port <number>", "port of /metrics, /healthz and /readyz; 0 takes a free one").argParser(whole(0, 65535)).default(8080))
  .addOption(option("--log-level <level>", "least level that is logged").choices(LEVELS).default("info"))
  .addOption(option("--include-label-prefix <prefixes>", "labels of the target that its primary gets, by prefix; * is all").argParser(words).default([]))
  .addOption(option("--event-webhook <url>", "hears of every decision about Canaries that have no webhook of type event").argParser(url))
  .addOption(option("--enable-config-tracking [which]", "take a change of a ConfigMap or Secret for a new revision, and give primaries copies of them: true, configmaps or false").argParser(configKinds).default([...CONFIG_KINDS]))
  .addOption(new Option("--no-cross-namespace-refs [boolean]", "Canaries may not use MetricTemplates and AlertProviders of other namespaces").env(`${ENVIRONMENT}NO_CROSS_NAMESPACE_REFS`).argParser((text) => !yes(text)))
  .addOption(option("--forbid-link-local-webhooks [boolean]", "no webhook, metric provider or alert may be at a loopback, link-local or cloud metadata address").argParser(yes).default(false).preset("true"))
  .action(async (flags: ControllerFlags) => {
    const log = createLog(flags.logLevel);
    const signal = interrupted();
    endOnDropped(log);
    const transport = await loadTransport({ kubeconfig: flags.kubeconfig, userAgent: `kurator-rollout/${VERSION}` });
    const versions = new Map<string, string>(Object.values(GROUPS).map(({ group, version }) => [group, version]));
    await runEngine({
      transport,
      identity: createAwsIdentity({ env: process.env, http: createHttp(), clock: realClock }),
      clock: realClock,
      random: realRandom,
      log,
      version: VERSION,
      groups: new Map(flags.apiGroups.map((group) => [group, versions.get(group) ?? ""])),
      metricsServer: flags.metricsServer,
      meshProvider: flags.meshProvider,
      includeLabelPrefixes: flags.includeLabelPrefix,
      eventWebhook: flags.eventWebhook,
      configKinds: flags.enableConfigTracking,
      forbidLinkLocal: flags.forbidLinkLocalWebhooks,
      sameNamespaceOnly: !flags.crossNamespaceRefs,
      namespaces: flags.watchNamespaces,
      gatewayNamespaces: flags.gatewayNamespaces,
      lease: flags.leaderElect ? { namespace: flags.leaseNamespace ?? ownNamespace(), name: flags.leaseName } : undefined,
      port: flags.port,
      signal,
    });
  });

interface FleetFlags {
  kubeconfig?: string;
  watchNamespaces: string[];
  leaderElect: boolean;
  leaseNamespace?: string;
  leaseName: string;
  port: number;
  logLevel: Level;
  loadTesterImage: string;
  chartRepository?: string;
}

program
  .command("fleet")
  .description("deliver Applications to the clusters of fleets, from a host cluster")
  .addOption(option("--kubeconfig <file>", "the host cluster (default: $KUBECONFIG, or the cluster that this runs in)"))
  .addOption(option("--watch-namespaces <names>", "only Applications and Fleets in these namespaces (default: all)").argParser(words).default([]))
  .addOption(option("--leader-elect [boolean]", "let one of several replicas lead").argParser(yes).default(true))
  .addOption(new Option("--no-leader-elect", "work without election; only for a single replica"))
  .addOption(option("--lease-namespace <name>", "namespace of the Lease (default: the controller's own, or default)"))
  .addOption(option("--lease-name <name>", "name of the Lease").default("kurator-rollout-fleet"))
  .addOption(option("--port <number>", "port of /metrics, /healthz and /readyz; 0 takes a free one").argParser(whole(0, 65535)).default(8080))
  .addOption(option("--log-level <level>", "least level that is logged").choices(LEVELS).default("info"))
  .addOption(option("--load-tester-image <image>", "image of the load testers that Applications ask for").default(`kurator-rollout:${VERSION}`))
  .addOption(option("--chart-repository <url>", "where the Rollout plugin of Fleets that name no place finds the charts").argParser(repository))
  .action(async (flags: FleetFlags) => {
    const log = createLog(flags.logLevel);
    const signal = interrupted();
    endOnDropped(log);
    const userAgent = `kurator-rollout-fleet/${VERSION}`;
    await runFleet({
      transport: await loadTransport({ kubeconfig: flags.kubeconfig, userAgent }),
      connect: async (kubeconfig) => httpTransport(await clusterOfText(kubeconfig), userAgent),
      clock: realClock,
      random: realRandom,
      log,
      version: VERSION,
      namespaces: flags.watchNamespaces,
      lease: flags.leaderElect ? { namespace: flags.leaseNamespace ?? ownNamespace(), name: flags.leaseName } : undefined,
      port: flags.port,
      loadTesterImage: flags.loadTesterImage,
      chartRepository: flags.chartRepository,
      signal,
    });
  });

program
  .command("crds")
  .description("print the CRDs as YAML, for kubectl apply --server-side -f -")
  .addOption(option("--api-groups <groups>", "API groups to print").argParser(groupNames).default([GROUPS.own.group]))
  .addOption(new Option("--host", "those of a host cluster instead: Application, Fleet and AttachedCluster"))
  .action(({ apiGroups, host }: { apiGroups: GroupName[]; host?: true }) => {
    process.stdout.write(host === true ? renderHostYaml() : renderYaml(apiGroups));
  });

program
  .command("providers")
  .description("print the routers and the metric providers that there are, with what each can and cannot do")
  .addOption(new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text"))
  .action(({ output }: { output: "text" | "json" }) => printProviders(output, (text) => void process.stdout.write(text)));

program
  .command("wait")
  .description("wait for the verdict on one revision of a target; exit codes: 0 promoted, 2 rolled back, 3 waits for a human, 4 timeout, 5 inconclusive, 6 superseded, 7 not found or forbidden, 1 anything else")
  .argument("<target>", "canary/NAME, or application/NAME on a host cluster, for all its clusters")
  .option("-n, --namespace <name>", "namespace of the Canary or Application", "default")
  .addOption(option("--kubeconfig <file>", "cluster to ask (default: $KUBECONFIG, or the cluster that this runs in)"))
  .addOption(new Option("--image <image>", "wait for the verdict on this image").conflicts("revision"))
  .option("--revision <hash>", "wait for the verdict on this revision, as status.run.revision has it")
  .addOption(new Option("--timeout <duration>", "how long to wait, for example 15m").argParser(duration).default(15 * 60_000, "15m"))
  .addOption(new Option("--group <group>", "API group of the Canary (default: whichever has it)").choices(Object.values(GROUPS).map(({ group }) => group)))
  .addOption(new Option("-o, --output <format>", "text, or json with one object a line").choices(["text", "json"]).default("text"))
  .action(async (target: string, flags: { namespace: string; kubeconfig?: string; image?: string; revision?: string; timeout: number; group?: string; output: string }) => {
    const { kind, name } = parseTarget(target);
    const transport = await loadTransport({ kubeconfig: flags.kubeconfig, userAgent: `kurator-rollout-wait/${VERSION}` });
    const api = createKubeApi({ transport, clock: realClock });
    const request = { name, namespace: flags.namespace, group: flags.group, image: flags.image, revision: flags.revision, timeoutMs: flags.timeout, json: flags.output === "json" };
    const print = (line: string): void => void process.stdout.write(`${line}\n`);
    process.exitCode = kind === "application" ? await waitApplication(request, api, realClock, print) : await wait(request, api, realClock, print);
  });

program
  .command("loadtester")
  .description("answer webhooks of Canaries: load, tests and gates")
  .addOption(option("--port <number>", "port of webhooks, gates, /metrics and /healthz; 0 takes a free one").argParser(whole(0, 65535)).default(8080))
  .addOption(option("--log-level <level>", "least level that is logged").choices(LEVELS).default("info"))
  .addOption(option("--timeout <duration>", "longest time that a task may take").argParser(duration).default(3_600_000, "1h"))
  .addOption(option("--namespace-regexp <regexp>", "only Canaries in namespaces that match may ask").argParser(regexp).default(/(?:)/, "all"))
  .addOption(option("--token-file <file>", "bearer tokens, one a line, one of which callers must have (default: everybody may ask)"))
  .addOption(option("--state-dir <folder>", "where open gates are kept over a restart (default: in memory)"))
  .addOption(option("--concurrency <number>", "tasks that run at one time").argParser(whole(1, 1000)).default(32))
  .action(async (flags: LoadTesterFlags) => {
    const log = createLog(flags.logLevel);
    endOnDropped(log);
    await runLoadTester({
      port: flags.port,
      timeoutMs: flags.timeout,
      namespaces: flags.namespaceRegexp,
      tokenFile: flags.tokenFile,
      stateDirectory: flags.stateDir,
      concurrency: flags.concurrency,
      directory: tmpdir(),
      environment: process.env,
      version: VERSION,
      processMetrics: true,
      clock: realClock,
      log,
      signal: interrupted(),
    });
  });

program
  .command("sandbox")
  .description("start the in-process Kubernetes API with workloads, mesh and Prometheus, without an engine")
  .addOption(option("--port <number>", "port of the Kubernetes API; 0 takes a free one").argParser(whole(0, 65535)).default(0))
  .option("--kubeconfig-out <file>", "where to write its kubeconfig (default: a temporary file)")
  .action(async (flags: { port: number; kubeconfigOut?: string }) => {
    await sandbox(flags, (line) => process.stdout.write(`${line}\n`), interrupted());
  });

program
  .command("demo")
  .description("show a good and a bad release under traffic, in the sandbox or on a real cluster; ends with 0 only when all went as it should")
  .option("--fleet", "one Application in three clusters, in waves; in the sandbox alone", false)
  .option("--keep", "leave it running to play with", false)
  .option("--json", "print the timeline as one JSON object a line", false)
  .option("--manifest <file>", "run this Canary instead of the demo's own")
  .option("--sabotage <name>", "plant a known bug, which the demo must notice")
  .option("--kubeconfig <file>", "run on this cluster instead of the sandbox")
  .option("--gateway <url>", "with --kubeconfig: address of the ingress gateway")
  .option("--metrics-server <url>", "with --kubeconfig: address of Prometheus")
  .action(async (flags: Omit<DemoRequest, "version"> & { fleet: boolean }) => {
    const terminal = process.stdout.isTTY === true;
    const output = { write: (text: string) => void process.stdout.write(text), terminal, colours: terminal && process.env.NO_COLOR === undefined };
    const other = Object.entries({ "--keep": flags.keep, "--manifest": flags.manifest, "--sabotage": flags.sabotage, "--kubeconfig": flags.kubeconfig }).find(([, given]) => given !== undefined && given !== false);
    if (flags.fleet && other !== undefined) throw new Error(`--fleet shows its own clusters; leave ${other[0]} out`);
    process.exitCode = flags.fleet ? await fleetDemo({ json: flags.json, version: VERSION }, output, interrupted()) : await demo({ ...flags, version: VERSION }, output, interrupted());
  });

/** State can no longer be trusted then; whoever runs the program starts it again, and what it must remember is written down. */
function endOnDropped(log: Log): void {
  process.on("unhandledRejection", (reason) => {
    log.error({ error: reason instanceof Error ? reason.stack : String(reason) }, "an error was dropped");
    process.exit(EXIT.error);
  });
}

function interrupted(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  return stop.signal;
}

function duration(text: string): number {
  try {
    return parseTimeout(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function ownNamespace(): string {
  const named = process.env.POD_NAMESPACE;
  if (named !== undefined && named !== "") return named;
  try {
    return readFileSync(NAMESPACE_FILE, "utf8").trim();
  } catch {
    return "default";
  }
}

program.parseAsync().then(
  () => end(process.exitCode),
  (error: unknown) => {
    process.stderr.write(`kurator-rollout: ${error instanceof Error ? error.message : String(error)}\n`);
    end(EXIT.error);
  },
);

/** What is still open (sockets, watches) does not keep the program; a pipe whose reader is slow does, or it would lose what it was not ready for. */
function end(code: typeof process.exitCode): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
