/** How we name ourselves to servers. */
export const OPCUA_CLIENT = 'nakama-edge-agent'
