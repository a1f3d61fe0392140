# One image for all of Umbra's processes; the command chooses which. The `name-server` stage is for the demonstration only.
FROM node:20.20-bookworm-slim AS build
WORKDIR /umbra
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20.20-bookworm-slim AS umbra
ENV NODE_ENV=production
WORKDIR /umbra
COPY --from=build /umbra/package.json ./
COPY --from=build /umbra/node_modules ./node_modules
COPY --from=build /umbra/dist ./dist
COPY --from=build /umbra/bin ./bin
RUN ln -s /umbra/bin/umbra /usr/local/bin/umbra \
 && mkdir -p /var/lib/umbra /run/dnstap /run/simulator && chown node:node /var/lib/umbra /run/dnstap /run/simulator
USER node
VOLUME /var/lib/umbra
ENTRYPOINT ["umbra"]
CMD ["--help"]

FROM umbra AS simulator
USER root
RUN apt-get update && apt-get install -y --no-install-recommends iproute2 util-linux openssl && rm -rf /var/lib/apt/lists/*
# Starts as root only to give the simulated guests their addresses, then drops to `node` (docker/simulator.sh).
COPY docker/simulator.sh /usr/local/bin/simulator
ENTRYPOINT ["simulator"]

FROM debian:bookworm-slim AS name-server
RUN apt-get update && apt-get install -y --no-install-recommends bind9 bind9-dnsutils && rm -rf /var/lib/apt/lists/*
RUN mkdir -p /var/lib/umbra-dns /run/dnstap && chown bind:bind /var/lib/umbra-dns /run/dnstap
COPY docker/named.conf docker/umbra.example.zone /etc/umbra-dns/
COPY docker/name-server.sh /usr/local/bin/name-server
USER bind
ENTRYPOINT ["name-server"]
