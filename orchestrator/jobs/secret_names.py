"""File names under which programs usually keep passwords, tokens and private keys."""

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
# Words that mark a name as a secret's, whatever the others are; words before "key" that do; and
# words before "token" that mean a token of a text.
_SECRET_WORDS = (
    "password passwords passwd passphrase credential credentials secrets apikey apikeys "
    "privatekey secretkey"
)
_KEYS = (
    "api access secret private deploy ssh account sa openai anthropic github gitlab bitbucket aws "
    "gcp google azure wandb hf huggingface mlflow kaggle stripe slack"
)
_OF_TEXTS = "special added unk unknown bos eos pad mask sep cls end start"
# Folders in which all files but code are secret.
_VAULTS = frozenset(["secrets", "credentials", "passwords"])
_CODE = ("py", "pyi", "ipynb", "md", "rst", "sh")
# Secrets in folders whose other files are not secret.
_PLACES = (
    ".streamlit/secrets.toml .bundle/config .gradle/gradle.properties .nuget/nuget.config "
    ".cache/huggingface/token huggingface/token wandb/settings .circleci/cli.yml "
    "mlflow/credentials .vscode/sftp.json .idea/webservers.xml .idea/datasources.local.xml "
    ".local/share/keyrings .local/share/jupyter"
)
#: Suffixes of settings files; not those of code.
_TEXT = ("json", "toml", "yaml", "yml", "ini", "cfg", "conf", "csv", "txt", "xml", "properties")
_MORE_TEXT = ("xlsx", "xls", "ods", "enc", "dec", "asc", "b64")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Copies: endings that editors, people and archivers append.
_COPY = re.compile(
    r"(~|[ ._-]?\(?(copy|bak|backup|old|orig|save|swp|swo|tmp|dist|rej|prod|local)\d*\)?|[ ._-]?\d+"
    r"|[ ._-]?\(\d+\)|\.(gz|zip|xz|bz2|zst|tar|tgz|7z|enc))$"
)


_WORDS, _KEYS_FOR, _NO_TOKENS_OF = (frozenset(w.split()) for w in (_SECRET_WORDS, _KEYS, _OF_TEXTS))
_SECRET_FOLDERS = frozenset(_FOLDERS.split())
_NAMES = frozenset(
    name.replace("{text}", ending)
    for name in _FILES.split()
    for ending in (_TEXT if "{text}" in name else ("",))
)
_EXACT = frozenset(name for name in _NAMES if "*" not in name)
_WILD = re.compile("|".join(sorted(map(translate, _NAMES - _EXACT))))


def is_secret(place: str) -> bool:
    """Return whether a file's place, with slashes, is one where secrets are usually kept.

    Case is ignored, and so are endings of copies: .netrc.bak, id_rsa.old, .env~.
    """
    plain = "/" + unicodedata.normalize("NFKC", place).casefold().lstrip("/")
    *folders, name = plain.split("/")
    if any(map(_is_secret_folder, folders)):
        return True
    if not _VAULTS.isdisjoint(folders) and name.rpartition(".")[2] not in _CODE:
        return True
    if any(plain.endswith(f"/{known}") or f"/{known}/" in plain for known in _PLACES.split()):
        return True
    names = _originals(name)
    if not _SECRET_FOLDERS.isdisjoint(names):  # .ssh.tar.gz
        return True
    if any(original in _EXACT or _WILD.fullmatch(original) for original in names):
        return True
    split = _CAPITAL.sub("_", unicodedata.normalize("NFKC", place).rpartition("/")[2])
    spellings = names if split.casefold() == name else _originals(split.casefold())
    return any(map(_has_secret_words, spellings))


@functools.lru_cache(10_000)
def _is_secret_folder(name: str) -> bool:
    """Return whether a folder, or one that it is a copy of such as .ssh.bak, holds secrets."""
    return not _SECRET_FOLDERS.isdisjoint(_originals(name))


def _has_secret_words(name: str) -> bool:
    """Return whether the words of a name, such as db-password.txt, mark it as a secret's."""
    stem, dot, ending = name.lstrip(".").rpartition(".")
    if dot and ending not in (*_TEXT, *_MORE_TEXT):
        return False
    words = [word for word in re.split(r"[\W_]+", stem or ending) if word]
    if not _WORDS.isdisjoint(words):
        return True
    before, last = ["", "", *words][-2:]
    if last == "secret":  # last only: the-secret-agent.txt is none
        return True
    if last in ("key", "keys"):
        return before in _KEYS_FOR
    return last == "token" and before != "" and before not in _NO_TOKENS_OF


def _originals(name: str) -> set[str]:
    """Return a file's name, and the names of files that it may be a copy of."""
    names = {name}
    for _ in range(2):
        for copy in list(names):
            stem, dot, ending = copy.rpartition(".")
            names |= {_COPY.sub("", copy), _COPY.sub("", stem) + dot + ending}
            names |= {copy.lstrip("#.~").rstrip("#"), copy.removeprefix(".#").strip("#")}
    return names - {""}
