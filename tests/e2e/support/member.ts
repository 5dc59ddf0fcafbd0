// A second real API server beside the cluster: etcd, kube-apiserver and kube-controller-manager from the PATH, without a node. And kubeconfigs for a user with
// one role, in either cluster.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, KUBECONFIG, said, sleep } from "./cluster.ts";

const ETCD_PORT = 12379;
const PORT = 16443;
const SYSTEM = "fleet-system";
const USER = "fleet";

export class MemberCluster {
  private constructor(
    private readonly folder: string,
    private readonly children: ChildProcess[],
    readonly kubeconfig: string,
    private readonly server: ChildProcess,
  ) {}

  static async start(): Promise<MemberCluster> {
    const folder = mkdtempSync(join(tmpdir(), "kurator-rollout-member-"));
    const address = new URL(addressOf(KUBECONFIG)).hostname;
    certificates(folder, address);
    const kubeconfig = join(folder, "admin.conf");
    writeFileSync(kubeconfig, JSON.stringify(config(`https://${address}:${PORT}`, base64(folder, "ca.crt"), { "client-certificate-data": base64(folder, "admin.crt"), "client-key-data": base64(folder, "admin.key") })));
    const children = [
      run(folder, "etcd", "etcd", "--data-dir", "data", "--listen-client-urls", `http://127.0.0.1:${ETCD_PORT}`, "--advertise-client-urls", `http://127.0.0.1:${ETCD_PORT}`, "--listen-peer-urls", `http://127.0.0.1:${ETCD_PORT + 1}`, "--unsafe-no-fsync", "--log-level", "warn"),
      run(folder, "apiserver", "kube-apiserver", "--etcd-servers", `http://127.0.0.1:${ETCD_PORT}`, "--secure-port", String(PORT), "--advertise-address", address, "--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.97.0.0/16",
        "--tls-cert-file", "server.crt", "--tls-private-key-file", "server.key", "--client-ca-file", "ca.crt", "--authorization-mode", "RBAC",
        "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", "sa.pub", "--service-account-signing-key-file", "sa.key"),
    ];
    const [, server] = children;
    if (server === undefined) throw new Error("no API server");
    const cluster = new MemberCluster(folder, children, kubeconfig, server);
    try {
      await eventually("the second API server is ready", 60, async () => ((await said("kubectl", ["--kubeconfig", kubeconfig, "get", "--raw", "/readyz"])).code === 0 ? true : undefined), () => readFileSync(join(folder, "apiserver.log"), "utf8").slice(-1000));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    // Without it nobody would empty a namespace that is deleted.
    children.push(run(folder, "controllers", "kube-controller-manager", "--kubeconfig", kubeconfig, "--service-account-private-key-file", "sa.key", "--root-ca-file", "ca.crt", "--use-service-account-credentials", "--leader-elect=false", "--secure-port", "0"));
    return cluster;
  }

  async kubectl(...args: string[]): Promise<string> {
    return kubectlIn(this.kubeconfig, args);
  }

  async apply(...objects: object[]): Promise<void> {
    await kubectlIn(this.kubeconfig, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  }

  /** Out of reach: connections are taken and nothing is answered. */
  freeze(): void {
    this.server.kill("SIGSTOP");
  }

  thaw(): void {
    this.server.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    this.thaw();
    for (const child of [...this.children].reverse()) child.kill("SIGKILL");
    for (const child of this.children) while (child.exitCode === null && child.signalCode === null) await sleep(50);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Text of a kubeconfig, with everything in it, of a ServiceAccount that has just the given ClusterRole. */
export async function kubeconfigOf(admin: string, role: string): Promise<string> {
  const account = [{ kind: "ServiceAccount", name: USER, namespace: SYSTEM }];
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: SYSTEM } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: USER, namespace: SYSTEM } },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata: { name: role }, roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role }, subjects: account },
  ];
  await kubectlIn(admin, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const token = (await kubectlIn(admin, ["-n", SYSTEM, "create", "token", USER, "--duration=2h"])).trim();
  const ca = (await kubectlIn(admin, ["config", "view", "--raw", "--flatten", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"])).trim();
  return JSON.stringify(config(addressOf(admin), ca, { token }));
}

async function kubectlIn(kubeconfig: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await said("kubectl", ["--kubeconfig", kubeconfig, ...args], input);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

function addressOf(kubeconfig: string): string {
  return execFileSync("kubectl", ["--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}"], { encoding: "utf8" }).trim();
}

function config(server: string, ca: string, user: object): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "member", cluster: { server, "certificate-authority-data": ca } }],
    users: [{ name: "member", user }],
    contexts: [{ name: "member", context: { cluster: "member", user: "member" } }],
    "current-context": "member",
  };
}

function base64(folder: string, file: string): string {
  return readFileSync(join(folder, file)).toString("base64");
}

function run(folder: string, log: string, program: string, ...args: string[]): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const child = spawn(program, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const file = createWriteStream(join(folder, `${log}.log`));
  child.stdout.pipe(file);
  child.stderr.pipe(file);
  child.on("error", (error) => file.write(`${program} cannot be started: ${error.message}; put it on the PATH\n`));
  return child;
}

function certificates(folder: string, address: string): void {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=member-ca");
  const signed = (name: string, subject: string): void => {
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject);
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:${address},IP:10.97.0.1`);
    openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", `${name}.crt`, "-extfile", `${name}.ext`);
  };
  signed("server", "/CN=kube-apiserver");
  signed("admin", "/O=system:masters/CN=admin");
  openssl("genrsa", "-out", "sa.key", "2048");
  openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub");
}
