# One image for every service of the server; which one runs is the command's choice (see docker-compose.yml).
FROM node:24.21.0-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY contract/package.json contract/
COPY service/package.json service/
COPY store/package.json store/
COPY broker/package.json broker/
COPY ingest/package.json ingest/
COPY coordinator/package.json coordinator/
RUN npm ci --omit=dev --ignore-scripts --workspace broker --workspace ingest --workspace coordinator

FROM node:24.21.0-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app ./
COPY contract contract/
COPY service service/
COPY store store/
COPY broker broker/
COPY ingest ingest/
COPY coordinator coordinator/
COPY deploy deploy/
# The volumes that belong to it are made with this owner.
RUN install -d -o node -g node /var/lib/nakama /run/nakama
USER node
