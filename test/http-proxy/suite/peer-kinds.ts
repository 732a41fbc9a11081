/** Other caches, each with what it needs to cache at all and nothing more. */

export interface PeerKind {
  readonly name: string;
  /** Its program; `variable` names another one. */
  readonly program: string;
  readonly variable: string;
  /** The files of its configuration, by their names in the folder. */
  files(peer: PeerPlace): Readonly<Record<string, string>>;
  flags(peer: PeerPlace): string[];
}

export interface PeerPlace {
  readonly port: number;
  readonly originPort: number;
  /** Anybody may write in it: some give up the rights that they begin with. */
  readonly folder: string;
}

const isRoot = process.getuid?.() === 0;
/** Where Debian has the modules of Apache. */
const APACHE_MODULES = process.env.APACHE_MODULES ?? "/usr/lib/apache2/modules";

export const PEER_KINDS: readonly PeerKind[] = [
  {
    name: "nginx",
    program: "nginx",
    variable: "NGINX_BIN",
    files: ({ port, originPort, folder }) => ({
      "nginx.conf": `
        ${isRoot ? "user root;" : ""}
        daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit; events {}
        http {
          access_log off;
          client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/temp; fastcgi_temp_path ${folder}/f;
          uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
          proxy_cache_path ${folder}/cache levels=1:2 keys_zone=all:8m inactive=600m;
          server {
            listen 127.0.0.1:${port};
            location / { proxy_pass http://127.0.0.1:${originPort}; proxy_cache all; proxy_cache_revalidate on; }
          }
        }`,
    }),
    flags: ({ folder }) => ["-c", `${folder}/nginx.conf`, "-p", folder, "-e", "stderr"],
  },
  {
    name: "Varnish",
    program: "varnishd",
    variable: "VARNISHD_BIN",
    files: ({ originPort }) => ({
      "default.vcl": `vcl 4.1; backend default { .host = "127.0.0.1"; .port = "${originPort}"; }`,
    }),
    flags: ({ port, folder }) => [
      ...["-F", "-a", `127.0.0.1:${port}`, "-f", `${folder}/default.vcl`, "-n", `${folder}/work`],
    ],
  },
  {
    name: "Squid",
    program: "squid",
    variable: "SQUID_BIN",
    files: ({ port, originPort, folder }) => ({
      "squid.conf": `
http_port 127.0.0.1:${port} accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent ${originPort} 0 no-query no-digest originserver name=origin
cache_peer_access origin allow all
http_access allow all
pid_filename ${folder}/pid
cache_log /dev/null
access_log none
coredump_dir ${folder}
netdb_filename none
pinger_enable off
shutdown_lifetime 1 second
`,
    }),
    flags: ({ folder }) => ["-N", "-f", `${folder}/squid.conf`],
  },
  {
    name: "Apache httpd",
    program: "apache2",
    variable: "APACHE_BIN",
    files: ({ port, originPort, folder }) => ({
      "apache.conf": `
ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
ErrorLog /dev/null
DefaultRuntimeDir ${folder}
User www-data
Group www-data
${["mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk"]
  .map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`)
  .join("\n")}
CacheEnable disk /
CacheRoot ${folder}
CacheDefaultExpire 0
CacheIgnoreNoLastMod On
CacheStoreExpired On
ProxyPass "/" "http://127.0.0.1:${originPort}/"
`,
    }),
    flags: ({ folder }) => ["-f", `${folder}/apache.conf`, "-D", "FOREGROUND"],
  },
  {
    name: "Traffic Server",
    program: "traffic_server",
    variable: "TRAFFIC_SERVER_BIN",
    files: ({ port, originPort, folder }) => ({
      "records.config": `
CONFIG proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.log.logging_enabled INT 0
`,
      "remap.config": `map / http://127.0.0.1:${originPort}/\n`,
      "storage.config": `${folder} 64M\n`,
      "plugin.config": "",
      "ip_allow.yaml":
        "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n",
      "runroot.yaml": [
        ...["prefix", "exec_prefix", "bindir", "sbindir", "sysconfdir", "datadir", "includedir", "libdir"],
        ...["libexecdir", "localstatedir", "runtimedir", "logdir", "mandir", "cachedir"],
      ]
        .map((name) => `${name}: ${folder}\n`)
        .join(""),
    }),
    flags: ({ folder }) => [`--run-root=${folder}/runroot.yaml`],
  },
];
