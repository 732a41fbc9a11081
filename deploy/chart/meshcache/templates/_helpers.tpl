{{- define "meshcache.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "meshcache.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "meshcache.labels" -}}
{{ include "meshcache.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Not empty where there is a volume for a snapshot: the entries of a tier are in its engine. */ -}}
{{- define "meshcache.snapshot" -}}
{{- if and .Values.snapshot.enabled (not .Values.config.tier) -}}true{{- end -}}
{{- end }}

{{- /* Not empty for the word `off`, of which Helm makes a boolean where it is not quoted in a file of values. */ -}}
{{- define "meshcache.isOff" -}}
{{- if has (toString .) (list "off" "false") -}}true{{- end -}}
{{- end }}

{{- /* The settings: what the chart decides, and `config`. */ -}}
{{- define "meshcache.config" -}}
{{- $own := dict "listen" "0.0.0.0:50051" "admin" "0.0.0.0:9464" "adminHosts" (.Values.config.adminHosts | default (printf "*.%s.svc,*.%s.svc.cluster.local" .Release.Namespace .Release.Namespace)) "storeBudgetBytes" (printf "%dMiB" (int .Values.storeBudgetMiB)) -}}
{{- if include "meshcache.snapshot" . -}}{{- $_ := set $own "snapshot" "/var/lib/meshcache/snapshot" -}}{{- end -}}
{{- if and (include "meshcache.snapshot" .) (eq (.Values.config.storeEngine | default "offheap") "lru") -}}
{{- fail "set snapshot.enabled=false: a store with config.storeEngine=lru has no snapshot" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.config.tier) -}}
{{- fail "replicas needs config.tier: without it each pod is a store of its own, and a write to one does not reach the readers of another" -}}
{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $own "tlsCert" "/etc/meshcache/tls/tls.crt" -}}
{{- $_ := set $own "tlsKey" "/etc/meshcache/tls/tls.key" -}}
{{- if include "meshcache.isOff" .Values.config.adminTls -}}
{{- fail "leave config.adminTls on: probes and monitoring reach the admin port of a pod from other machines" -}}
{{- end -}}
{{- if .Values.tls.requireClientCertificate -}}{{- $_ := set $own "tlsClientCa" "/etc/meshcache/tls/ca.crt" -}}{{- end -}}
{{- else if .Values.plaintext -}}
{{- $_ := set $own "plaintext" true -}}
{{- else -}}
{{- fail "set tls.secretName, or plaintext: true behind sidecars that encrypt" -}}
{{- end -}}
{{- if and .Values.tls.requireClientCertificate (not .Values.tls.secretName) }}{{ fail "tls.requireClientCertificate needs tls.secretName" }}{{ end -}}
{{- if and .Values.tls.secretName .Values.plaintext }}{{ fail "tls.secretName and plaintext exclude one another" }}{{ end -}}
{{- $identified := and .Values.tls.secretName .Values.tls.requireClientCertificate -}}
{{- if not .Values.identity.secretName -}}
{{- range list "tokens" "jwtIssuers" "policy" "tierCa" "tierCert" "tierKey" "tierPasswordFile" -}}
{{- if get $.Values.config . -}}{{- fail (printf "set identity.secretName: a pod has no other file for config.%s" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.anonymous }}{{ $_ := set $own "anonymous" true }}{{ else if not $identified }}{{ fail "set tls.requireClientCertificate, or anonymous: true where the network decides who reaches the cache" }}{{ end -}}
{{- if and (eq (.Values.config.console | default "on" | toString) "anonymous") (not (and .Values.networkPolicy.enabled .Values.networkPolicy.monitoring)) -}}
{{- fail "config.console=anonymous shows keys and values to whoever reaches the admin port: name who may in networkPolicy.monitoring" -}}
{{- end -}}
{{- toYaml (merge $own .Values.config) -}}
{{- end }}

{{- /* config.drainMaxMs in whole seconds: a number of milliseconds, or text with a unit. */ -}}
{{- define "meshcache.drainSeconds" -}}
{{- $given := .Values.config.drainMaxMs | default "10s" -}}
{{- $text := ternary $given (printf "%v" (int64 $given)) (kindIs "string" $given) | replace "_" "" | replace " " "" -}}
{{- $unit := regexFind "[a-z]+$" $text | default "ms" -}}
{{- $factors := dict "ms" 0.001 "s" 1 "m" 60 "min" 60 "h" 3600 "d" 86400 -}}
{{- $factor := get $factors $unit | required "config.drainMaxMs has an unknown unit" -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) $factor | ceil | int64 -}}
{{- end }}

{{- /*
Seconds to write or to load the snapshot of a full store on the slowest disk. It has at most the entries and what the server
keeps beside them, of which a part grows with the entries. `meshcache sizing` computes it from all settings.
*/ -}}
{{- define "meshcache.snapshotSeconds" -}}
{{- if include "meshcache.snapshot" . -}}
{{- $mebibytes := add (div (mul 33 .Values.storeBudgetMiB) 32) .Values.overheadMiB -}}
{{- divf $mebibytes .Values.snapshot.diskMiBPerSecond | ceil | int64 -}}
{{- else -}}0{{- end -}}
{{- end }}
