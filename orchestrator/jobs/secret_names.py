"""Names under which programs keep passwords, tokens and private keys, by custom."""

import functools
import re
import unicodedata
from fnmatch import translate

_FOLDERS = (
    ".git .ray .ssh .aws .azure .kube .gnupg .docker .config .gcloud .oci .bluemix .ibmcloud "
    ".aliyun .tccli .fly .doctl .vault .terraform .terraform.d .pulumi .chef .dbt .snowsql "
    ".snowflake .huggingface .kaggle .mlflow .wandb .neptune .modal .openai .anthropic "
    ".replicate .ipython .jupyter .keyrings keyrings .password-store .thunderbird .mozilla "
    ".minikube .mc .gem .m2 .cargo .composer .sops .secrets .private .credentials .ansible "
    ".heroku .ngrok2 .irssi .subversion .svn .hg .bzr .gsutil .dbeaver .duply .envs"
)
_FILES = (
    # Environments and settings that programs read.
    ".env* *.env .dev.vars .flaskenv .secrets* secret.{text} secrets.{text} .secret* *.secret "
    "*.secrets password password.txt passwords.txt passwords.{text} passwd passwd.bak shadow "
    "master.passwd .htpasswd* htpasswd .htdigest credential credentials credential.{text} "
    "credentials*.{text} credentials-* *credentials*.json *_credentials *-credentials "
    "*.credentials .credentials* "
    "token token.{text} token.pickle auth_token auth.json access_token* oauth*token* "
    "apikey* .apikey* .api_key* .dotenv dotenv env.prod* env.local .renviron *.env.json "
    ".authinfo* .google_authenticator .gitcookies .rhosts .shosts .xauthority .iceauthority "
    # Sources and packages.
    ".git-credentials* .gitconfig .npmrc .yarnrc .yarnrc.yml .pypirc pip.conf pip.ini .condarc "
    ".netrc* _netrc netrc *.netrc settings-security.xml nuget.config .gemrc .bowerrc .dockercfg* "
    ".dockerconfigjson .composer-auth.json .cargo-credentials .gradle.properties .lein-credentials "
    "npmrc _npmrc pypirc dockercfg .hgrc hgrc "
    # Keys and certificates.
    "id_rsa* id_dsa* id_ecdsa* id_ed25519* id_xmss* *_rsa *_dsa *_ecdsa *_ed25519 identity "
    "ssh_host_*key *.pem *.key *.p8 *.p12 *.pfx *.pkcs12 *.pkcs8 *.der *.jks *.jceks *.bks "
    "*.keystore *.truststore *.ppk *.pvk *.snk *.keytab krb5cc* *.ovpn *.gpg *.pgp secring.* "
    "*.kdb *.kdbx *.agilekeychain *.1pif *.opvault *.keychain *.keychain-db *.keyring *.psafe3 "
    "wallet.dat *.wallet utc--* *.mobileprovision *.age *.jwk *.jwks "
    # Clouds and clusters.
    "kubeconfig* *.kubeconfig kube.config .s3cfg* .boto* .passwd-s3fs passwd-s3fs rclone.conf "
    ".s3curl application_default_credentials* service-account*.json service_account*.json "
    "serviceaccount*.json *service-account*.json *service_account*.json client_secret* "
    "client-secret* *firebase-adminsdk*.json gcp-key*.json gcloud-*.json google-services.json "
    "googleservice-info.plist accesskeys.csv *_accesskeys.csv rootkey.csv *.publishsettings "
    "*.azureauth azureprofile.json accesstokens.json *.rdp *.tfstate *.tfstate.* *.tfvars "
    "*.tfvars.json .terraformrc terraform.rc *.tfrc.json .vault-token .vault_pass* .vault-pass* "
    "vault_pass* vault-pass* knife.rb .databrickscfg .bigqueryrc .modal.toml .sentryclirc "
    ".rediscli_auth .cloudflared .edgerc "
    "gha-creds-* adc.json .b2_account_info .s3cmd vault.yml vault.yaml jupyter_server_config.json "
    "jupyter_notebook_config.json "
    # Databases.
    ".pgpass* pgpass.conf .my.cnf .mylogin.cnf my.cnf .pg_service.conf pg_service.conf .mongorc.js "
    ".mongoshrc.js .dbshell .odbc.ini odbc.ini database.yml "
    # Services, mail and file transfer.
    "kaggle.json .comet.config ngrok.yml .ngrok .fetchmailrc .muttrc .msmtprc .mailrc "
    ".offlineimaprc .mbsyncrc .getmailrc .smbcredentials .ftpconfig .ftp-access sftp.json "
    "sftp-config.json filezilla.xml sitemanager.xml recentservers.xml wp-config.php .slack* "
    ".twilio* .pushbulletrc .travis.token stored_tokens hf_token .hf_token "
    # What was typed, and what a browser keeps.
    ".*_history .*-history *.histfile .histfile .history .zhistory .lesshst .viminfo .rhistory "
    "fish_history console_history.txt consolehost_history.txt history.sqlite cookies.txt "
    "cookies.sqlite logins.json key3.db key4.db *.har cookies.json "
)
# Words of a name that say so, whatever stands beside them; what keys are for; and whose token is
# one of a text.
_SAYING = (
    "password passwords passwd passphrase credential credentials secrets apikey apikeys "
    "privatekey secretkey"
)
_KEYS = (
    "api access secret private deploy ssh account sa openai anthropic github gitlab bitbucket aws "
    "gcp google azure wandb hf huggingface mlflow kaggle stripe slack"
)
_OF_TEXTS = "special added unk unknown bos eos pad mask sep cls end start"
# Folders in which all but code is secret.
_VAULTS = frozenset(["secrets", "credentials", "passwords"])
_CODE = ("py", "pyi", "ipynb", "md", "rst", "sh")
# Secrets below folders whose other files are none.
_PLACES = (
    ".streamlit/secrets.toml .bundle/config .gradle/gradle.properties .nuget/nuget.config "
    ".cache/huggingface/token huggingface/token wandb/settings .circleci/cli.yml "
    "mlflow/credentials .vscode/sftp.json .idea/webservers.xml .idea/datasources.local.xml "
    ".local/share/keyrings .local/share/jupyter"
)
#: What a file of settings may end in; not what ends a file of code.
_TEXT = ("json", "toml", "yaml", "yml", "ini", "cfg", "conf", "csv", "txt", "xml", "properties")
_MORE_TEXT = ("xlsx", "xls", "ods", "enc", "dec", "asc", "b64")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Copies: what editors, people and archivers append.
_COPY = re.compile(
    r"(~|[ ._-]?\(?(copy|bak|backup|old|orig|save|swp|swo|tmp|dist|rej|prod|local)\d*\)?|[ ._-]?\d+"
    r"|[ ._-]?\(\d+\)|\.(gz|zip|xz|bz2|zst|tar|tgz|7z|enc))$"
)


_WORDS, _KEYS_FOR, _NO_TOKENS_OF = (frozenset(w.split()) for w in (_SAYING, _KEYS, _OF_TEXTS))
_SECRET_FOLDERS = frozenset(_FOLDERS.split())
_NAMES = frozenset(
    name.replace("{text}", ending)
    for name in _FILES.split()
    for ending in (_TEXT if "{text}" in name else ("",))
)
_EXACT = frozenset(name for name in _NAMES if "*" not in name)
_WILD = re.compile("|".join(sorted(map(translate, _NAMES - _EXACT))))


def is_secret(place: str) -> bool:
    """Whether a file's place, with slashes, is one where secrets are kept.

    Capitals do not count, nor does what marks a copy: .netrc.bak, id_rsa.old, .env~.
    """
    plain = "/" + unicodedata.normalize("NFKC", place).casefold().lstrip("/")
    *folders, name = plain.split("/")
    if any(map(_is_secret_folder, folders)):
        return True
    if not _VAULTS.isdisjoint(folders) and name.rpartition(".")[2] not in _CODE:
        return True
    if any(plain.endswith(f"/{each}") or f"/{each}/" in plain for each in _PLACES.split()):
        return True
    names = _originals(name)
    if not _SECRET_FOLDERS.isdisjoint(names):  # .ssh.tar.gz
        return True
    if any(each in _EXACT or _WILD.fullmatch(each) for each in names):
        return True
    parted = _CAPITAL.sub("_", unicodedata.normalize("NFKC", place).rpartition("/")[2])
    spelt = names if parted.casefold() == name else _originals(parted.casefold())
    return any(map(_says_so, spelt))


@functools.lru_cache(10_000)
def _is_secret_folder(name: str) -> bool:
    """Also a copy of one: .ssh.bak."""
    return not _SECRET_FOLDERS.isdisjoint(_originals(name))


def _says_so(name: str) -> bool:
    """Whether the words of a name are those of a secret, and it is no code: db-password.txt."""
    stem, dot, ending = name.lstrip(".").rpartition(".")
    if dot and ending not in (*_TEXT, *_MORE_TEXT):
        return False
    words = [word for word in re.split(r"[\W_]+", stem or ending) if word]
    if not _WORDS.isdisjoint(words):
        return True
    before, last = ["", "", *words][-2:]
    if last == "secret":  # but not: the secret agent
        return True
    if last in ("key", "keys"):
        return before in _KEYS_FOR
    return last == "token" and before != "" and before not in _NO_TOKENS_OF


def _originals(name: str) -> set[str]:
    """A file's name, and those of what it may be a copy of."""
    names = {name}
    for _ in range(2):
        for each in list(names):
            stem, dot, ending = each.rpartition(".")
            names |= {_COPY.sub("", each), _COPY.sub("", stem) + dot + ending}
            names |= {each.lstrip("#.~").rstrip("#"), each.removeprefix(".#").strip("#")}
    return names - {""}
