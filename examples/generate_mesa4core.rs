//! Writes the collections of an invented case management as `mongoexport` and `mongodump` write them, with what is wrong in them.
//!
//! `generate_mesa4core FOLDER [PROCESSES PEOPLE USERS]`; without numbers it writes what is in `clinics/mesa4core/sources`. The same
//! numbers give the same bytes. `expected.json` counts what was written, by other means than the project's SQL.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mongodb::bson::{Bson, DateTime, Document, oid::ObjectId};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

const FIRST: [&str; 12] =
    ["Ana", "Luis", "María", "José", "Lucía", "Martín", "Sofía", "Diego", "Paula", "Tomás", "Inés", "Bruno"];
const LAST: [&str; 12] = [
    "Ruiz", "Núñez", "Sosa", "Pérez", "Ibáñez", "Vega", "Molina", "Ríos", "Quiroga", "Luna", "Ferreyra",
    "Paz",
];
const AREAS: [&str; 6] = ["Mesa de Entradas", "Legales", "Contaduría", "Obras", "Personal", "Archivo"];
const ROLES: [&str; 4] = ["Operador", "Supervisor", "Auditor", "Administrador"];
const STATUSES: [&str; 4] = ["INICIADO", "EN_CURSO", "ARCHIVADO", "RECHAZADO"];
const START: i64 = 1_640_995_200_000;

struct World {
    dice: ChaCha8Rng,
    users: u64,
    /// Users that only snapshots mention, by number.
    ghosts: Vec<u64>,
    without_created: u64,
}

/// 24 hex digits.
fn id(kind: u64, number: u64) -> String {
    format!("{kind:08x}{number:016x}")
}

impl World {
    fn below(&mut self, limit: u64) -> u64 {
        self.dice.random_range(0..limit)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// An instant in one of the forms that dates have had; to the second, so that all forms can say it.
    fn date(&mut self, milliseconds: i64) -> Value {
        let at = DateTime::from_millis(milliseconds).try_to_rfc3339_string().unwrap_or_default();
        let local =
            DateTime::from_millis(milliseconds - 3 * 3_600_000).try_to_rfc3339_string().unwrap_or_default();
        let local = format!("{}-03:00", local.trim_end_matches('Z'));
        match self.below(6) {
            0 | 1 => json!({ "$date": at }),
            2 => json!({ "$date": milliseconds }),
            3 => json!({ "$date": { "$numberLong": milliseconds.to_string() } }),
            4 => json!(at),
            _ => json!(local),
        }
    }

    fn snapshot(&mut self) -> Value {
        let number = match self.one_in(15) {
            true => self.users + self.below(7),
            false => self.below(self.users),
        };
        if number >= self.users && !self.ghosts.contains(&number) {
            self.ghosts.push(number);
        }
        let (first, last) = (FIRST[number as usize % 12], LAST[number as usize / 12 % 12]);
        json!({ "id": id(1, number), "username": format!("u{number}"), "firstName": first, "lastName": last, "email": format!("u{number}@mesa4.org") })
    }

    /// Who and when, behind a document's own fields.
    fn audited(&mut self, mut document: Map<String, Value>) -> Value {
        let created = START + self.below(1000) as i64 * 86_400_000 + self.below(86_400) as i64 * 1000;
        document.insert("createdBy".to_owned(), self.snapshot());
        document.insert("updatedBy".to_owned(), self.snapshot());
        self.dated(document, created)
    }

    fn dated(&mut self, mut document: Map<String, Value>, created: i64) -> Value {
        if self.one_in(12) {
            self.without_created += 1;
            if self.one_in(2) {
                document.insert("createdAt".to_owned(), Value::Null);
            }
        } else {
            let date = self.date(created);
            document.insert("createdAt".to_owned(), date);
        }
        let later = created + self.below(100) as i64 * 3_600_000;
        let date = self.date(later);
        document.insert("updatedAt".to_owned(), date);
        Value::Object(document)
    }

    fn named(&mut self, kind: u64, names: &[&str], most: u64) -> Vec<Value> {
        let count = 1 + self.below(most);
        let mut chosen: Vec<u64> = (0..count).map(|_| self.below(names.len() as u64)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
            .into_iter()
            .map(|number| json!({ "id": id(kind, number), "name": names[number as usize] }))
            .collect()
    }

    fn user(&mut self, number: u64) -> Value {
        let (first, last) = (FIRST[number as usize % 12], LAST[number as usize / 12 % 12]);
        let (roles, areas) = (self.named(2, &ROLES, 2), self.named(3, &AREAS, 3));
        let mut user = object(json!({
            "_id": { "$oid": id(1, number) }, "username": format!("u{number}"), "email": format!("U{number}@Mesa4.org"),
            "firstName": first, "lastName": last, "roles": roles, "areas": areas,
        }));
        if self.one_in(3) {
            user.insert("dni".to_owned(), json!(20_000_000 + number));
        }
        if self.one_in(20) {
            user.insert("deleted".to_owned(), json!(true));
        }
        self.dated(user, START + number as i64 * 1000)
    }

    fn group(&mut self, number: u64) -> Value {
        let mut members: Vec<Value> = (0..1 + self.below(6)).map(|_| self.snapshot()).collect();
        if self.one_in(2) {
            members.push(members[0].clone());
        }
        self.audited(object(json!({
            "_id": { "$oid": id(4, number) }, "name": format!("Grupo {number}"), "description": null, "members": members,
        })))
    }

    fn form(&mut self, number: u64) -> Value {
        let fields: Vec<Value> = (0..2 + self.below(4))
            .map(|field| json!({ "key": format!("campo{field}"), "label": format!("Campo {field}"), "type": "text", "required": field == 0, "options": { "max": field } }))
            .collect();
        self.audited(object(json!({
            "_id": { "$oid": id(5, number) }, "name": format!("Formulario {number}"), "version": { "$numberLong": "2" },
            "config": { "columns": 2, "theme": null }, "fields": fields,
        })))
    }

    fn list(&mut self, number: u64) -> Value {
        let fields: Vec<Value> =
            (0..3).map(|field| json!({ "key": format!("col{field}"), "label": format!("Columna {field}"), "sortable": field == 1 })).collect();
        self.audited(object(json!({
            "_id": { "$oid": id(6, number) }, "name": format!("Lista {number}"), "alias": format!("lista-{number}"), "pageSize": 25.0,
            "searchParams": [{ "field": "número", "op": "=" }], "fields": fields,
        })))
    }

    fn process_type(&mut self, number: u64) -> Value {
        self.audited(object(json!({
            "_id": { "$oid": id(7, number) }, "code": format!("T{number:03}"), "name": format!("Trámite {number}"),
            "active": number != 2, "formId": { "$oid": id(5, number % 5) },
        })))
    }

    fn person(&mut self, number: u64) -> Value {
        let addresses: Vec<Value> = (0..self.below(3))
            .map(|at| json!({ "street": "Belgrano", "number": (100 + at).to_string(), "city": "Córdoba", "province": "Córdoba", "location": { "type": "Point", "coordinates": [-64.18, -31.42] } }))
            .collect();
        let mut person = object(
            json!({ "_id": { "$oid": id(8, number) }, "addresses": addresses, "email": format!("p{number}@mesa4.org") }),
        );
        if self.one_in(6) {
            person.insert("personType".to_owned(), json!("JURIDICA"));
            person.insert("legalName".to_owned(), json!(format!("Empresa {number} S.A.")));
            person.insert("cuit".to_owned(), json!(format!("30-{:08}-1", 50_000_000 + number)));
        } else {
            person.insert("personType".to_owned(), json!("FISICA"));
            person.insert("firstName".to_owned(), json!(self.pick(&FIRST)));
            person.insert("lastName".to_owned(), json!(self.pick(&LAST)));
            person.insert(
                "document".to_owned(),
                json!({ "type": "DNI", "number": { "$numberInt": (10_000_000 + number).to_string() } }),
            );
            person.insert("phone".to_owned(), json!(format!("351 4{:06}", number)));
            let born = -(self.below(20_000) as i64) * 86_400_000;
            person.insert("birthDate".to_owned(), json!({ "$date": { "$numberLong": born.to_string() } }));
        }
        self.audited(person)
    }

    fn process(&mut self, number: u64, people: u64) -> Value {
        let steps = 1 + self.below(4);
        let movements: Vec<Value> = (0..steps)
            .map(|step| {
                let area = self.below(6);
                let at = START + number as i64 * 60_000 + step as i64 * 3_600_000;
                json!({ "action": if step == 0 { "INICIO" } else { "PASE" }, "area": { "id": id(3, area), "name": AREAS[area as usize] }, "user": self.snapshot(), "date": self.date(at) })
            })
            .collect();
        let initiators: Vec<Value> =
            (0..1 + self.below(2)).map(|_| json!({ "id": id(8, self.below(people)) })).collect();
        let kind = self.below(6);
        let status = self.pick(&STATUSES);
        self.audited(object(json!({
            "_id": { "$oid": id(9, number) }, "processNumber": format!("EX-{number:06}"),
            "processType": { "id": id(7, kind), "name": format!("Trámite {kind}") }, "status": status,
            "amount": { "$numberDecimal": format!("{}.10", number * 3) }, "data": { "folios": number % 90, "nota": "según trámite \"A\"" },
            "movements": movements, "initiators": initiators,
        })))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Extended JSON as the driver's values.
fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(yes) => Bson::Boolean(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
            None => Bson::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(bson).collect()),
        Value::Object(fields) => wrapped(fields).unwrap_or_else(|| Bson::Document(document(fields))),
    }
}

fn wrapped(fields: &Map<String, Value>) -> Option<Bson> {
    let (name, value) = fields.iter().next()?;
    Some(match (name.as_str(), value) {
        ("$oid", Value::String(hex)) => Bson::ObjectId(ObjectId::parse_str(hex).ok()?),
        ("$date", Value::String(text)) => Bson::DateTime(DateTime::parse_rfc3339_str(text).ok()?),
        ("$date", Value::Number(number)) => Bson::DateTime(DateTime::from_millis(number.as_i64()?)),
        ("$date", Value::Object(inner)) => {
            Bson::DateTime(DateTime::from_millis(inner["$numberLong"].as_str()?.parse().ok()?))
        }
        ("$numberLong", Value::String(text)) => Bson::Int64(text.parse().ok()?),
        ("$numberInt", Value::String(text)) => Bson::Int32(text.parse().ok()?),
        ("$numberDecimal", Value::String(text)) => Bson::Decimal128(text.parse().ok()?),
        _ => return None,
    })
}

fn document(fields: &Map<String, Value>) -> Document {
    fields.iter().map(|(name, value)| (name.clone(), bson(value))).collect()
}

fn dump(documents: &[Value]) -> Vec<u8> {
    documents.iter().filter_map(|one| document(one.as_object()?).to_vec().ok()).flatten().collect()
}

fn lines(documents: &[Value]) -> Vec<u8> {
    documents.iter().flat_map(|one| format!("{one}\n").into_bytes()).collect()
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "clinics/mesa4core/sources".to_owned());
    let folder = Path::new(&folder);
    let mut number =
        |otherwise: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (processes, people, users) = (number(120), number(60), number(30));
    fs::create_dir_all(folder.join("dump/mesa4core"))?;
    let mut world =
        World { dice: ChaCha8Rng::seed_from_u64(4), users, ghosts: Vec::new(), without_created: 0 };
    let mut make = |count: u64, one: &mut dyn FnMut(&mut World, u64) -> Value| -> Vec<Value> {
        (0..count).map(|number| one(&mut world, number)).collect()
    };
    let all_users = make(users, &mut World::user);
    let groups = make(8, &mut World::group);
    let forms = make(5, &mut World::form);
    let lists = make(6, &mut World::list);
    let types = make(6, &mut World::process_type);
    let all_people = make(people, &mut World::person);
    let all_processes = make(processes, &mut |world, number| world.process(number, people));
    fs::write(folder.join("lml_users_mesa4core.json"), lines(&all_users))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&dump(&groups))?;
    fs::write(folder.join("dump/mesa4core/lml_usersgroups_mesa4core.bson.gz"), gzip.finish()?)?;
    fs::write(folder.join("dump/mesa4core/lml_formbuilder_mesa4core.bson"), dump(&forms))?;
    fs::write(folder.join("dump/mesa4core/lml_listbuilder_mesa4core.bson"), dump(&lists))?;
    fs::write(folder.join("lml_processtypes_mesa4core.json"), json!(types).to_string())?;
    fs::write(folder.join("lml_people_mesa4core.json"), serde_json::to_string_pretty(&all_people)?)?;
    fs::write(folder.join("lml_processes_mesa4core.json"), lines(&all_processes))?;
    let steps: usize = all_processes.iter().filter_map(|one| one["movements"].as_array()).map(Vec::len).sum();
    let legal = all_people.iter().filter(|one| one["personType"] == "JURIDICA").count();
    let expected = json!({
        "processes": processes, "people": people, "legal_people": legal, "users": users, "ghosts": world.ghosts.len(),
        "movements": steps, "without_created_at": world.without_created,
    });
    fs::write(folder.join("expected.json"), serde_json::to_string_pretty(&expected)? + "\n")
}
