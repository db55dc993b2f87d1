--[[
coi-shared.lua: coi.lua for sites on which users open each other's mailboxes, in a namespace of type
"shared". It stands in coi.lua's place in protocol imap (95-coi-events.conf) and brings it in.

There Dovecot tells of messages under the name of who reads them, in a mailbox like shared/alice/INBOX.
Whose INBOX that is says one more setting, which is the namespace's prefix, word for word:

  coi_sidecar_shared_prefix  shared/%%u/ (2.3), shared/$user/ (2.4)

What is done to messages in it is told under the owner's name, if it matters for the owner; what the reader's
own mail is concerned with is told as ever.
]]

dofile((debug.getinfo(1, 'S').source:match('^@(.*/)') or '') .. 'coi.lua')

local settings = {}
local start = script_init

function script_init(given)
  settings = given or settings
  return start(given)
end

-- Parsed as in shared_storage_get_namespace (Dovecot's shared-storage.c): a name ends where the next octet
-- of the prefix stands, and the reader's domain is that of who has none. INBOX has no name of its own where
-- mail_shared_explicit_inbox is not set, or has it all the same.
local function owner_of(prefix, mailbox, reader)
  prefix = prefix:gsub('%$username', '%%n'):gsub('%$user', '%%u'):gsub('%$domain', '%%d')
  local names, at, rest = {}, 1, mailbox
  for literal, name in prefix:gmatch('([^%%]*)%%([und])') do
    if rest:sub(1, #literal) ~= literal then return end
    at = at + #literal + 2
    local stop = rest:find(prefix:sub(at, at), #literal + 1, true) or #rest + 1
    names[name] = rest:sub(#literal + 1, stop - 1)
    rest = rest:sub(stop)
  end
  if rest ~= '' and rest ~= prefix:sub(at) .. 'INBOX' then return end
  local domain = names.d or reader:match('@(.*)')
  local owner = names.u or names.n and (domain and names.n .. '@' .. domain or names.n)
  return owner ~= '' and owner
end

-- Dovecot's own is not taken to pieces: its functions want it as it is.
local function act_for(owner, user)
  return {
    username = owner,
    uid = user.uid,
    service = user.service,
    session_id = user.session_id,
    plugin_getenv = user.plugin_getenv and function(_, name) return user:plugin_getenv(name) end,
  }
end

-- All of one transaction is about one mailbox.
local function attribute(ctx, mailbox)
  if ctx.shared ~= nil or ctx.matters ~= nil then return end
  local user = ctx.user
  local name = 'coi_sidecar_shared_prefix'
  local prefix = settings[name] or user.plugin_getenv and user:plugin_getenv(name) or ''
  local owner = mailbox ~= 'INBOX' and prefix ~= '' and owner_of(prefix, mailbox, user.username)
  ctx.shared = owner and true or false
  if owner then ctx.user = act_for(owner, user) end
end

for name in ('message_read flags_clear flags_set'):gmatch('%S+') do
  name = 'dovecot_lua_notify_event_' .. name
  local tell = _G[name]
  _G[name] = function(ctx, event)
    attribute(ctx, event.mailbox)
    if ctx.shared then event.mailbox = 'INBOX' end
    return tell(ctx, event)
  end
end
