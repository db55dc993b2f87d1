-- Plays Dovecot for lua/coi.lua in a plain Lua interpreter: arg[1] is the script, each line of
-- standard input is one MessageNew (hex of the subject, uid, date), each line of output a body that
-- would have been posted. From the environment:
--
--   COI_EVENTS_DIR  coi_sidecar_events_dir
--   COI_STATUS      what the sidecar answers (200); 9008, as from Dovecot, when it does not
--   COI_NOW         the script's clock
--   COI_EVENTS      how many events a transaction has (1)
local function given(name, default) return tonumber(os.getenv(name) or default) end
local status, now = given('COI_STATUS', 200), given('COI_NOW', 0)
if now > 0 then os.time = function() return now end end

local function say(message) io.stderr:write(message, '\n') end
local posted
dovecot = {
  i_error = say,
  i_warning = say,
  http = {
    client = function()
      return {
        request = function()
          return {
            add_header = function(_, name, value)
              if name == 'Coi-Events' then posted = value end
            end,
            set_payload = function(_, payload) posted = payload end,
            submit = function()
              io.write(posted, '\n')
              return { status = function() return status end, reason = function() return 'said so' end }
            end,
          }
        end,
      }
    end,
  },
}
dofile(arg[1])
script_init({
  coi_sidecar_url = 'http://127.0.0.1:1',
  coi_sidecar_token = 'token',
  coi_sidecar_events_dir = os.getenv('COI_EVENTS_DIR'),
})

for line in io.lines() do
  local subject, uid, date = line:match('^(%x*) (%d+) (-?%d+)$')
  local ctx = dovecot_lua_notify_begin_txn({ username = 'alice', service = 'lmtp', uid = 8 })
  for _ = 1, given('COI_EVENTS', 1) do
    dovecot_lua_notify_event_message_new(ctx, {
      name = 'MessageNew',
      mailbox = 'INBOX',
      subject = subject:gsub('..', function(hex) return string.char(tonumber(hex, 16)) end),
      uid = tonumber(uid) * 1.0, -- lua_pushnumber: a float where Lua tells the two apart
      uid_validity = 4294967295.0,
      date = tonumber(date) * 1.0,
      tz = -720.0,
      flags = {},
    })
  end
  dovecot_lua_notify_end_txn(ctx, true)
end
